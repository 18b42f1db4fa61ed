"""What the report says, in English and in Korean.

`{names}` are filled in. Names that the data set brings along (tasks, splits, columns, reasons) stay as
they are.
"""

from bitsft.data.common.choices import check_choice
from bitsft.pages.words import LANGUAGES, Dictionary, words_of

_WORDS: Dictionary = {
    "made_by": ("Data report by bitsft", "bitsft 데이터 보고서"),
    "empty": ("(empty)", "(비어 있음)"),
    "others": ("{count} others", "그 밖의 {count}개"),
    "all": ("All", "전체"),
    # Headings
    "overview": ("Overview", "개요"),
    "balance": ("Balance", "균형"),
    "lengths": ("Lengths", "길이"),
    "budget": ("Token budget", "토큰 예산"),
    "samples": ("Samples", "예시"),
    "rejected": ("Rejected rows", "거부된 행"),
    "changes": ("Changes by cleaning", "정제로 바뀐 값"),
    "duplicates": ("Duplicates", "중복"),
    "quality": ("Quality", "품질"),
    "leaks": ("Leaks between splits", "분할 사이의 누출"),
    # Overview
    "rows": ("Rows", "행"),
    "rows_in": ("Rows in", "들어온 행"),
    "rows_added": ("Added", "추가된 행"),
    "rows_rejected": ("Rejected", "거부된 행"),
    "rows_out": ("Rows out", "나간 행"),
    "added_by": ("Added: {stage}", "추가: {stage}"),
    "rejected_by": ("Rejected: {stage}", "거부: {stage}"),
    "adds_up": (
        "Every row is accounted for: rows in + added = rows out + rejected.",
        "모든 행의 행방이 확인됩니다: 들어온 행 + 추가된 행 = 나간 행 + 거부된 행.",
    ),
    "adds_up_not": (
        "The rows do not add up: {difference} are unaccounted for.",
        "행 수가 맞지 않습니다: {difference}개의 행방을 알 수 없습니다.",
    ),
    "out_differs": (
        "The splits hold {found} rows, but {out} were counted out.",
        "분할에는 {found}개의 행이 있지만, 나간 행은 {out}개로 세어졌습니다.",
    ),
    "flow": ("What became of every row", "모든 행의 행방"),
    "columns_left_out": ("Columns that no stage used", "쓰이지 않은 열"),
    "split": ("Split", "분할"),
    "share": ("Share", "비율"),
    "task": ("Task", "작업"),
    "refused": (
        "{task}: the formatter refuses {count} rows. The first: {first}",
        "{task}: 포매터가 {count}개의 행을 거부합니다. 첫 번째: {first}",
    ),
    # Balance
    "tasks_by_split": ("Tasks in each split", "분할별 작업"),
    "labels_of": ("Labels: {task}", "레이블: {task}"),
    "answers_of": ("Repeated answers: {task}", "반복되는 답: {task}"),
    "labels_caption": (
        "Share within each split; the number is the sum over all splits.",
        "분할 안에서의 비율이며, 숫자는 모든 분할의 합입니다.",
    ),
    "languages": ("Languages", "언어"),
    # Lengths
    "prompt": ("Prompt", "프롬프트"),
    "completion": ("Completion", "응답"),
    "characters": ("characters", "글자"),
    "tokens": ("tokens", "토큰"),
    "whole_row": ("Whole row", "행 전체"),
    "above": (
        "{count} longer ones, up to {largest}, are not shown.",
        "더 긴 {count}개(최대 {largest})는 그리지 않았습니다.",
    ),
    "counted_of": (
        "Tokens: counted in {counted} of {rows} rows, drawn at random.",
        "토큰: {rows}개 중 무작위로 뽑은 {counted}개의 행에서 세었습니다.",
    ),
    "no_template": (
        "Tokens are not counted: the tokenizer has no chat template for messages.",
        "토큰을 세지 않았습니다: 토크나이저에 메시지용 채팅 템플릿이 없습니다.",
    ),
    "unit": ("Unit", "단위"),
    "part": ("Part", "부분"),
    "mean": ("Mean", "평균"),
    "median": ("Median", "중앙값"),
    "p95": ("p95", "p95"),
    "p99": ("p99", "p99"),
    "longest": ("Longest", "최대"),
    # Token budget
    "setting": ("Value", "항목"),
    "histogram": ("Tokens of whole rows", "행 전체의 토큰 수"),
    "max_length": ("max_length", "max_length"),
    "suggested_max_length_parts": ("Suggested max_length", "권장 max_length"),
    "longest_row": ("Index of the longest row", "가장 긴 행의 번호"),
    "prompt_parts": ("Prompt, tokens", "프롬프트, 토큰"),
    "completion_parts": ("Completion, tokens", "응답, 토큰"),
    "whole_parts": ("Whole row, tokens", "행 전체, 토큰"),
    "prompt_cut_parts": ("Cut from prompts", "프롬프트에서 잘리는 것"),
    "completion_cut_parts": ("Cut from completions", "응답에서 잘리는 것"),
    "dropped": ("Rows dropped", "버려지는 행"),
    "padding_parts": ("Padding", "패딩"),
    "truncated": ("Rows longer than max_length", "max_length보다 긴 행"),
    "completion_cut": ("Rows that lose a part of the completion", "응답의 일부가 잘리는 행"),
    "completion_lost": (
        "Rows that lose all of the completion (dropped)",
        "응답을 모두 잃는 행 (버려짐)",
    ),
    "beyond": (
        "max_length {values} lies far to the right of the chart.",
        "max_length {values}은(는) 차트의 훨씬 오른쪽에 있습니다.",
    ),
    # Samples
    "samples_caption": (
        "As the model sees them. Grey is read only (no loss), colour is what it learns.",
        "모델이 보는 그대로입니다. 회색은 읽기만 하는 부분(손실 없음), 색이 있는 부분은 배우는 "
        "부분입니다.",
    ),
    "tokens_caption": (
        "Each shade is one token; where one character takes several, a small number counts them. "
        "Special tokens are framed.",
        "음영 하나가 토큰 하나이고, 한 글자가 여러 토큰이면 작은 숫자가 그 수입니다. 특수 토큰에는 "
        "테두리가 있습니다.",
    ),
    "sample_tokens": (
        "{masked} tokens without loss, {learned} learned",
        "손실 없는 토큰 {masked}개, 배우는 토큰 {learned}개",
    ),
    "tokens_of_character": ("{count} tokens", "토큰 {count}개"),
    "left_out": ("… {count} characters left out …", "… {count}글자 생략 …"),
    # Rejected rows
    "none_rejected": ("No row was rejected.", "거부된 행이 없습니다."),
    "by_reason": ("By reason", "이유별"),
    "examples": ("Examples", "예"),
    "source": ("Source", "출처"),
    "row": ("Row", "행"),
    "stage": ("Stage", "단계"),
    "field": ("Field", "필드"),
    "value": ("Value", "값"),
    "reason": ("Reason", "이유"),
    "remedy": ("Remedy", "해결 방법"),
    # Changes
    "by_kind": ("Rows changed, by kind", "종류별로 바뀐 행"),
    "times": ("{times} times", "{times}번"),
    "kind": ("Kind", "종류"),
    "before": ("Before", "전"),
    "after": ("After", "후"),
    # Duplicates
    "exact": ("Exact", "완전 일치"),
    "near": ("Near", "유사"),
    "conflicts": ("Questions answered differently", "답이 서로 다른 질문"),
    "question": ("Question", "질문"),
    "first_answer": ("First answer", "먼저 나온 답"),
    "other_answer": ("Other answer", "다른 답"),
    "cluster_sizes": ("Clusters by number of rows", "행 수별 묶음"),
    "cluster_of": ("{size} rows", "행 {size}개"),
    "cluster": ("Cluster", "묶음"),
    "kept": ("kept", "남김"),
    "similarity": ("Similarity", "유사도"),
    "text": ("Text", "글"),
    "none_duplicate": ("No duplicates were found.", "중복이 없습니다."),
    "signature": ("Settings", "설정"),
    # Quality
    "lowest": ("Lowest score", "최저 점수"),
    "answer": ("Answer", "답"),
    "missing": ("Words missing", "없는 낱말"),
    "worst": ("Worst rows", "점수가 가장 낮은 행"),
    # Leaks
    "none_leak": (
        "No leaks: no split shares any of these with another.",
        "누출 없음: 분할끼리 공유하는 것이 없습니다.",
    ),
    "leaks_found": (
        "{count} rows share what they ask about with a row of another split.",
        "{count}개의 행이 다른 분할의 행과 내용을 공유합니다.",
    ),
    "without_task": (
        "{count} rows name no task: no question and no document was looked for in them.",
        "{count}개의 행에 작업 이름이 없어 질문과 문서를 비교하지 못했습니다.",
    ),
    "distractors": (
        "Shared distractors are no leak: a text without its question.",
        "공유된 방해 문서는 누출이 아닙니다. 질문이 없는 글일 뿐입니다.",
    ),
    "splits": ("Splits", "분할"),
}


def words(language: str) -> dict[str, str]:
    """Return all words of a language by their keys.

    Raises:
        ValueError: For a language other than `"en"` and `"ko"`.
    """
    check_choice("language", language, LANGUAGES)
    return words_of(language, _WORDS)
