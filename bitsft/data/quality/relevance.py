"""`relevance`: does a text have to do with the question?

    content words of the question found in the text / content words of the question

with the words and the ways to find them of `content_words.py`; words that only ask (무엇, 언제) are not
counted. Two values of a row:

- *question-context*: the question's words in all documents together. 0 says that the row's documents are
  those of another row, or that RAFT's oracle was left out.
- *question-answer*: the question's words in the answer. It tells something for answers in sentences
  only; an answer with fewer than three content words ("서울") is not judged. A low value is common among
  good rows ("세 가지 팁을 알려 줘" is answered without these words): it sorts rows for a review.

A second opinion comes from a sentence embedder that the caller brings along: the cosine of question and
text, `embedding_similarity`. Its values depend on the model, so its signature names it (`embeddings.py`).

Limits: a question that shares no word with its right document ("이 영화 감독은?") counts as unrelated.
"""

from collections.abc import Iterable, Sequence

from bitsft.data.common.embeddings import Embed, unit_vectors
from bitsft.data.quality.content_words import ContentWords
from bitsft.data.quality.groundedness import Judged

SIGNATURE = (
    "relevance|method:share-of-question-content-words|words:light-stem|norm:nfc,casefold|v:1"
)
SHORT_ANSWER_WORDS = 3

NO_QUESTION_WORDS = "the question has no content word"
SHORT_ANSWER = f"the answer has fewer than {SHORT_ANSWER_WORDS} content words"


def relevance(question: str | ContentWords, text: str | Iterable[str] | ContentWords) -> Judged:
    """Return the share of the question's content words that a text holds.

    Args:
        question: The question, or its content words.
        text: The text or texts to look in, or their content words.

    Returns:
        The share from 0 to 1 with the words that are missing, or why there is none.
    """
    if not isinstance(question, ContentWords):
        question = ContentWords(question)
    if isinstance(text, str):
        text = ContentWords(text)
    elif not isinstance(text, ContentWords):
        text = ContentWords(*text)
    share, missing = question.found_in(text)
    return Judged(share, "" if share is not None else NO_QUESTION_WORDS, tuple(missing))


def answer_relevance(question: str | ContentWords, answer: str) -> Judged:
    """Return the share of the question's content words in its answer, for answers of three and more.

    Args:
        question: The question, or its content words.
        answer: The answer.
    """
    words = ContentWords(answer)
    if len(words) < SHORT_ANSWER_WORDS:
        return Judged(None, SHORT_ANSWER)
    return relevance(question, words)


def embedding_similarity(
    questions: Sequence[str], texts: Sequence[str], embed: Embed
) -> list[float]:
    """Return the cosine of each question and its text, by the caller's embedder.

    Args:
        questions: The questions.
        texts: A text for each.
        embed: Turns n texts into an array of shape (n, d); called once, with all of them.

    Returns:
        Values from -1 to 1; 0.0 where an embedding is all zeros.

    Raises:
        ValueError: When `embed` returns another shape, or values that are not finite.
    """
    if len(questions) != len(texts):
        raise ValueError(f"{len(questions)} questions for {len(texts)} texts; give one for each")
    if not questions:
        return []
    vectors = unit_vectors(embed, [*questions, *texts])
    cosines = (vectors[: len(questions)] * vectors[len(questions) :]).sum(axis=1)
    found: list[float] = cosines.clip(-1.0, 1.0).tolist()
    return found
