"""Two made-up evaluations in Korean, with several tasks: nothing was generated, the answers are put together."""

import random
from typing import Any

from bitsft.comparison.comparison import Comparison, compare
from bitsft.evaluation.answers import Answer
from bitsft.evaluation.evaluation import Evaluation
from bitsft.evaluation.scoring import score_answers

_PLACES = ("서울", "부산", "대구", "인천", "광주", "대전", "울산", "세종", "수원", "춘천")
_FACTS = (
    ("{place}의 인구는 약 {n}만 명이다.", "{place}의 인구는 얼마나 됩니까?", "약 {n}만 명입니다"),
    ("{place}의 중앙 도서관은 {n}년에 지어졌다.", "{place}의 중앙 도서관은 언제 지어졌습니까?", "{n}년에 지어졌습니다"),
    ("{place}에서는 해마다 {n}개의 축제가 열린다.", "{place}에서 해마다 열리는 축제는 몇 개입니까?", "{n}개입니다"),
)  # fmt: skip
_GOOD = (
    "배우들의 연기가 훌륭했어요",
    "다시 보고 싶은 영화",
    "음악이 정말 아름답다",
    "끝까지 눈을 뗄 수 없었다",
)
_BAD = ("시간이 아까웠다", "이야기가 앞뒤가 안 맞아요", "졸려서 혼났네", "기대했는데 실망만 남았다")  # fmt: skip


def _classified(row: int, draw: random.Random) -> tuple[dict[str, Any], str, str]:
    label = draw.choice(("긍정", "부정", "중립"))
    texts = {"긍정": _GOOD, "부정": _BAD, "중립": ("그냥 그래요", "보통 영화입니다")}[label]
    text = f"{draw.choice(texts)} ({row}번째 관람평)"
    wrong = draw.choice([one for one in ("긍정", "부정", "중립") if one != label])
    base = draw.choice(
        (label, wrong, "긍정", "이 영화는 좋은 것 같기도 하고 아닌 것 같기도 합니다")
    )
    tuned = draw.choice((label,) * 6 + (wrong,))
    shared = {
        "prompt": f"다음 글의 감정을 긍정, 부정, 중립 가운데 하나로 답하세요.\n\n글: {text}\n\n감정:",
        "reference": label,
        "task": "classification",
        "source": {"text": text, "label": label},
    }
    return shared, base, tuned


def _asked(row: int, draw: random.Random) -> tuple[dict[str, Any], str, str]:
    place, number = draw.choice(_PLACES), draw.randrange(10, 400)
    fact, question, answer = (one.format(place=place, n=number) for one in draw.choice(_FACTS))
    others = [
        draw.choice(_FACTS)[0].format(place=other, n=draw.randrange(10, 400))
        for other in draw.sample([one for one in _PLACES if one != place], draw.randrange(2, 5))
    ]
    context = [f"{one} 이 도시는 예로부터 교통이 편리했고 물이 맑았다." for one in (fact, *others)]
    oracle = context[0]
    draw.shuffle(context)
    documents = "\n".join(f"[문서 {at}] {one}" for at, one in enumerate(context, 1))
    reference = f"##Reason: 문서에 ##begin_quote## {fact} ##end_quote## 라고 되어 있습니다.\n##Answer: {answer}"
    base = draw.choice(
        (
            reference,
            f"{place}에 대해서는 잘 모르겠습니다.",
            f"답은 {number + 7}입니다. " * 6,
            question,
            "",
        )
    )
    slip = answer if draw.random() < 0.8 else answer.replace(str(number), str(number + 1))
    tuned = (
        f"##Reason: 문서를 보면 ##begin_quote## {fact} ##end_quote## 라고 합니다.\n##Answer: {slip}"
    )
    shared = {
        "prompt": [
            {"role": "system", "content": "문서를 읽고 질문에 답하세요."},
            {"role": "user", "content": f"{documents}\n\n질문: {question}"},
        ],
        "reference": reference,
        "task": "raft",
        "id": f"raft-{row}",
        "source": {
            "question": question,
            "context": context,
            "oracle_context": oracle,
            "answer": answer,
        },
    }
    return shared, base, tuned


def _summarized(row: int, draw: random.Random) -> tuple[dict[str, Any], str, str]:
    facts = [
        draw.choice(_FACTS)[0].format(place=draw.choice(_PLACES), n=draw.randrange(10, 400))
        for _ in range(draw.randrange(3, 14))
    ]
    document = " ".join(facts)
    words = " ".join(facts[: draw.randrange(1, 4)]).split()
    reference = " ".join(words)
    base = " ".join(draw.sample(document.split(), min(len(words), 6)))
    if draw.random() < 0.4:
        base = document[: len(reference) + draw.randrange(20)]
    kept = [word for word in words if draw.random() < 0.7]
    tuned = reference if draw.random() < 0.15 else " ".join(kept).replace("이다", "입니다")
    shared = {
        "prompt": f"다음 글을 요약하세요.\n\n{document}",
        "reference": reference,
        "task": "summarization",
        "source": {"document": document, "summary": reference},
    }
    return shared, base, tuned


def made_up(rows: int = 300, seed: int = 0) -> tuple[list[Answer], list[Answer]]:
    """The answers of a base and of a tuned model to rows of three tasks."""
    draw = random.Random(seed)
    base, tuned = [], []
    for row in range(rows):
        make = (_classified, _asked, _summarized)[row % 3]
        shared, one, other = make(row, draw)
        base.append(
            Answer(row=row, prediction=one, tokens=len(one), finished=draw.random() > 0.1, **shared)
        )
        tuned.append(Answer(row=row, prediction=other, tokens=len(other), finished=True, **shared))
    return base, tuned


def evaluated(answers: list[Answer], model: str) -> Evaluation:
    """The answers with their scores."""
    return Evaluation(
        model,
        tuple(answers),
        score_answers(answers, tokenizer="char"),
        "greedy|max_new_tokens:128",
        {"name": "시험.jsonl", "sha256": "ab" * 32, "rows": len(answers)},
        {"max_new_tokens": 128, "seed": 0},
    )


def compared(base: list[Answer], tuned: list[Answer], **options: Any) -> Comparison:
    """The two compared, with few draws: quick, and enough for a page."""
    names = options.pop("models", ("/models/한국어-기본", "/models/한국어-튜닝"))
    few = {"resamples": 50, "trials": 100} | options
    return compare(evaluated(base, names[0]), evaluated(tuned, names[1]), **few)
