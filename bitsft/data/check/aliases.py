"""Which column of a file is which column of the task: the names that data sets use for the same thing.

A column that has its task's name is taken as it is. Where a column is absent, it is looked for among
the others, without regard to case, spaces at the ends and Unicode form (macOS writes decomposed Hangul):
first by its own name (`Question`), then by the names below. Exactly one such column is used; of
several none is, since a guess between them would be silent. What the names do not tell (whether
`answer` is a label, `question` a second text) is left to `read_rows(columns={...})`.

The names are those of public Korean and English sets: songys/Chatbot_data, KoBEST, KLUE, KorQuAD, AI-Hub,
KorNLU, sae4k, NSMC, Alpaca, Dolly, ShareGPT, UltraFeedback, CNN/DailyMail.
"""

_QUESTION = ("q", "query", "질문", "문제", "물음", "질의")
_ANSWER = ("a", "response", "답변", "정답", "응답", "답", "대답", "output")
_CONTEXT = (
    *("contexts", "passage", "passages", "paragraph", "document", "documents", "text", "ctxs"),
    *("문서", "본문", "지문", "문단", "맥락", "문맥"),
)

# task -> column -> its other names, casefolded
ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "raft": {
        "question": (*_QUESTION, "prompt"),
        "context": _CONTEXT,
        "answer": _ANSWER,
        "cot": ("reason", "reasoning", "chain_of_thought", "근거", "추론"),
        "oracle_context": ("oracle",),
    },
    "koalpaca": {
        "instruction": (
            "question",
            "prompt",
            *_QUESTION,
            "명령",
            "명령어",
            "지시",
            "지시문",
            "입력문",
        ),
        "output": ("answer", "completion", *_ANSWER[:-1], "출력"),
        "input": ("입력", "맥락", "문맥"),
    },
    "qa": {
        "question": _QUESTION,
        "context": _CONTEXT,
        "answers": (*_ANSWER, "answer_text"),
        "title": ("제목",),
    },
    "summarization": {
        "document": (
            *("text", "article", "articles", "body", "content", "passage", "source", "dialogue"),
            *("문서", "본문", "원문", "기사", "지문", "내용"),
        ),
        "summary": (
            *("abstract", "highlights", "target", "abstractive"),
            *("요약", "요약문", "생성요약"),
        ),
    },
    "translation": {
        "source": ("src", "원문", "source_text", "source_sentence"),
        "target": ("tgt", "mt", "번역", "번역문", "target_text", "target_sentence"),
        "source_language": ("source_lang", "src_lang"),
        "target_language": ("target_lang", "tgt_lang"),
    },
    "classification": {
        "text": (
            *("sentence", "sentence1", "premise", "document", "review", "comment", "content"),
            *("utterance", "문장", "문장1", "전제", "리뷰", "본문", "내용", "댓글", "발화"),
        ),
        "label": (
            *("labels", "class", "category", "gold_label", "sentiment"),
            *("라벨", "레이블", "분류", "감정", "유형"),
        ),
        "text_pair": ("sentence2", "hypothesis", "문장2", "가설"),
    },
    "dialogue": {"messages": ("message", "conversation", "dialog", "dialogue", "turns", "대화")},
    "preference": {
        "prompt": (*_QUESTION, "question", "instruction", "input"),
        "chosen": ("preferred", "accepted", "chosen_response", "선호", "선택"),
        "rejected": ("dispreferred", "rejected_response", "비선호", "거절"),
    },
}
