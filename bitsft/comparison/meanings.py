"""What each family of scores says, and what it does not: a sentence under every table, in English and in Korean."""

from collections.abc import Iterable

_BY_PREFIX: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "perplexity",
        {
            "en": "Perplexity is per token, so it can be compared between models of the same tokenizer only; bits per "
            "byte between all.",
            "ko": "퍼플렉서티는 토큰당 값이라 토크나이저가 같은 모델끼리만 비교할 수 있습니다. 바이트당 비트는 모든 모델 사이에서 "
            "비교할 수 있습니다.",
        },
    ),
    (
        "rouge",
        {
            "en": "ROUGE is how many words (of Korean: morphemes) answer and reference share. It sees no meaning: a false "
            "number in a right sentence costs little, a right answer in other words costs much.",
            "ko": "ROUGE는 답과 정답이 함께 가진 단어(한국어는 형태소)의 비율입니다. 뜻은 보지 않습니다. 맞는 문장에 숫자만 "
            "틀려도 점수는 조금만 내려가고, 맞는 답을 다른 말로 쓰면 크게 내려갑니다.",
        },
    ),
    (
        "bleu",
        {
            "en": "BLEU and chrF count shared runs of words or characters over all rows. They suit texts of a sentence "
            "and more; on one-word answers they say little.",
            "ko": "BLEU와 chrF는 전체 행에서 이어진 단어나 글자가 얼마나 겹치는지 셉니다. 한 문장 이상의 글에 맞고, 한 단어짜리 "
            "답에서는 말해 주는 것이 적습니다.",
        },
    ),
    (
        "cosine_",
        {
            "en": "The cosine of jamo n-grams compares spelling, not meaning.",
            "ko": "자모 n-gram 코사인은 뜻이 아니라 철자를 비교합니다.",
        },
    ),
    (
        "cosine",
        {
            "en": "The cosine similarity is as good as its embedder: two sentences that differ in one decisive word are "
            "close for every embedder.",
            "ko": "코사인 유사도는 임베딩 모델만큼만 믿을 수 있습니다. 결정적인 단어 하나가 다른 두 문장도 어느 모델에서나 "
            "가깝게 나옵니다.",
        },
    ),
    (
        "exact_match",
        {
            "en": "Exact match is strict: a right answer with one more word counts as wrong.",
            "ko": "완전 일치는 엄격합니다. 맞는 답에 한 단어만 더 있어도 틀린 것으로 셉니다.",
        },
    ),
    (
        "raft",
        {
            "en": "The RAFT scores look for the final answer and for quotes in the documents; they do not judge the "
            "reasoning in between.",
            "ko": "RAFT 점수는 최종 답과 문서 인용을 확인할 뿐, 그 사이의 추론은 판단하지 않습니다.",
        },
    ),
    (
        "likelihood_",
        {
            "en": "By likelihood the most probable label is taken for the answer, whatever the model would have written.",
            "ko": "가능도 점수는 모델이 무엇을 생성하든 가장 확률이 높은 레이블을 답으로 봅니다.",
        },
    ),
    (
        "accuracy",
        {
            "en": "Accuracy means little without the share of the most frequent label: a model that always says that one "
            "reaches as much.",
            "ko": "정확도는 가장 많은 레이블의 비율과 함께 보아야 합니다. 그 레이블만 답하는 모델도 그만큼은 얻습니다.",
        },
    ),
)


def meanings_of(metrics: Iterable[str], language: str = "en") -> list[str]:
    """The sentences for these metrics, each once, in a fixed order.

    Args:
        metrics: Names of scores, e.g. `"rouge1"`.
        language: `"en"` or `"ko"`.

    Example:
        >>> meanings_of(["exact_match", "cosine_tfidf_jamo"])[0]
        'The cosine of jamo n-grams compares spelling, not meaning.'
    """
    first = {_prefix_of(name) for name in metrics}
    return [text[language] for prefix, text in _BY_PREFIX if prefix in first]


def _prefix_of(name: str) -> str | None:
    return next((prefix for prefix, _ in _BY_PREFIX if name.startswith(prefix)), None)
