"""QA, summarization, translation and classification rows -> {"prompt", "completion"}.

All are written as instruction rows (`koalpaca.py`): what is asked, what it applies to, what is learned.

| task | what is asked | what it applies to | what is learned |
|---|---|---|---|
| qa | the question | the context | the first answer |
| summarization | "다음 글을 요약하세요." | the document | the summary |
| translation | "다음 글을 영어로 번역하세요." | the source | the target |
| classification | "다음 글을 분류하세요." and the labels | the text, or both | the label |

So one model can learn them all, and a QA row reads like KoAlpaca's own `### 질문:` with a `### 맥락:`. For
several documents, or an answer behind `##Answer:`, make RAFT rows of QA rows. The instructions are this
project's; `instruction=` takes another, and `""` none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bitsft.data.check.classification import ClassificationRow
from bitsft.data.check.qa import QARow
from bitsft.data.check.summarization import SummarizationRow
from bitsft.data.check.translation import TranslationRow
from bitsft.data.fields import RowError
from bitsft.data.format.koalpaca import check_style, render
from bitsft.data.format.prompt_completion import PromptCompletion

SUMMARIZE = {"ko": "다음 글을 요약하세요.", "en": "Summarize the text below."}
CLASSIFY = {"ko": "다음 글을 분류하세요.", "en": "Classify the text below."}
CLASSIFY_PAIR = {"ko": "다음 두 글의 관계를 분류하세요.", "en": "Classify the two texts below."}
LABELS = {"ko": "보기: {labels}", "en": "Options: {labels}"}
PAIR = {
    "ko": "글 1: {text}\n글 2: {text_pair}",
    "en": "Text 1: {text}\nText 2: {text_pair}",
}
TRANSLATE = {
    "ko": "다음 글을 {language}로 번역하세요.",
    "en": "Translate the text below into {language}.",
}
TRANSLATE_SOMEHOW = {"ko": "다음 글을 번역하세요.", "en": "Translate the text below."}
# The Korean names all end in a vowel, as the particle 로 above needs it.
LANGUAGE_NAMES = {
    "ko": {
        "ko": "한국어",
        "en": "영어",
        "ja": "일본어",
        "zh": "중국어",
        "de": "독일어",
        "es": "스페인어",
        "fr": "프랑스어",
        "id": "인도네시아어",
        "ru": "러시아어",
        "th": "태국어",
        "vi": "베트남어",
    },
    "en": {
        "ko": "Korean",
        "en": "English",
        "ja": "Japanese",
        "zh": "Chinese",
        "de": "German",
        "es": "Spanish",
        "fr": "French",
        "id": "Indonesian",
        "ru": "Russian",
        "th": "Thai",
        "vi": "Vietnamese",
    },
}


def format_qa(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    instruction: str | None = None,
    template: str = "v1.1",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one QA row: question and context -> the first answer.

    Args:
        row: A raw or checked row, as `QARow.from_raw` reads it.
        row_number: The row's index from 0, for error messages.
        language: Of the headings: `"ko"` or `"en"`.
        instruction: Put before the question, with an empty line between; None or `""` for none.
        template: Of a text prompt: KoAlpaca's `"v1.1"` or `"v1.0"`.
        as_messages: Return lists of messages for a chat template instead of texts.
        system: A system message, with `as_messages=True` only. None for none.

    Returns:
        `{"prompt", "completion"}`, two texts or two lists of messages; a text completion starts with
        one space.

    Raises:
        RowError: (a ValueError) when the row cannot be used.
        ValueError: For an unknown language or template, or a system message for a text row.
    """
    check_style(template, language, system, as_messages)
    qa = QARow.from_raw(row, row_number)
    asked = f"{instruction}\n\n{qa.question}" if instruction else qa.question
    return render(asked, qa.context, qa.answers[0], template, language, as_messages, system)


def format_summarization(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    instruction: str | None = None,
    template: str = "v1.1",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one summarization row: document -> summary.

    Args:
        row: A row with `document` and `summary`.
        row_number: The row's index from 0, for error messages.
        language: Of the headings and the default instruction: `"ko"` or `"en"`.
        instruction: What is asked. None takes the language's in `SUMMARIZE`; with `""` the document
            stands in its place.
        template, as_messages, system: As in `format_qa`.

    Returns:
        As `format_qa`.

    Raises:
        RowError, ValueError: As `format_qa`.
    """
    check_style(template, language, system, as_messages)
    summarized = SummarizationRow.from_raw(row, row_number)
    asked = SUMMARIZE[language] if instruction is None else instruction
    return render(
        asked, summarized.document, summarized.summary, template, language, as_messages, system
    )


def format_translation(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    language: str = "ko",
    instruction: str | None = None,
    template: str = "v1.1",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one translation row: source -> target.

    Args:
        row: A raw or checked row, as `TranslationRow.from_raw` reads it.
        row_number: The row's index from 0, for error messages.
        language: Of the headings and the default instruction: `"ko"` or `"en"`.
        instruction: What is asked. None names the row's `target_language`, where `LANGUAGE_NAMES` has
            it; with `""` the source stands in its place.
        template, as_messages, system: As in `format_qa`.

    Returns:
        As `format_qa`.

    Raises:
        RowError, ValueError: As `format_qa`.
    """
    check_style(template, language, system, as_messages)
    pair = TranslationRow.from_raw(row, row_number)
    if instruction is None:
        code = (pair.target_language or "").replace("_", "-").split("-")[0].casefold()
        name = LANGUAGE_NAMES[language].get(code)
        asked = TRANSLATE[language].format(language=name) if name else TRANSLATE_SOMEHOW[language]
    else:
        asked = instruction
    return render(asked, pair.source, pair.target, template, language, as_messages, system)


def format_classification(
    row: Mapping[str, Any],
    row_number: int | None = None,
    *,
    labels: Sequence[str] | None = None,
    language: str = "ko",
    instruction: str | None = None,
    template: str = "v1.1",
    as_messages: bool = False,
    system: str | None = None,
) -> PromptCompletion:
    """Format one classification row: text, or two texts -> label.

    Args:
        row: A row with `text`, `label` and optionally `text_pair`.
        row_number: The row's index from 0, for error messages.
        labels: All labels, in the order in which the prompt lists them after the instruction. None
            lists none.
        language: Of the headings, the default instruction and the list: `"ko"` or `"en"`.
        instruction: What is asked. None takes the language's in `CLASSIFY` (`CLASSIFY_PAIR`); with
            `""` there is only the list of labels, if given, or else the text stands in its place.
        template, as_messages, system: As in `format_qa`.

    Returns:
        As `format_qa`.

    Raises:
        RowError: (a ValueError) when the row cannot be used, or its label is not in `labels`.
        ValueError: As `format_qa`, and when `labels` is one text.
    """
    check_style(template, language, system, as_messages)
    if isinstance(labels, str):
        raise ValueError(f"labels={labels!r} is one text; give a list of labels")
    classified = ClassificationRow.from_raw(row, row_number)
    if classified.text_pair is None:
        text, asked = classified.text, CLASSIFY[language]
    else:
        text = PAIR[language].format(text=classified.text, text_pair=classified.text_pair)
        asked = CLASSIFY_PAIR[language]
    asked = asked if instruction is None else instruction
    if labels is not None:
        if classified.label not in labels:
            remedy = f"Name it there; known are {', '.join(labels)}"
            raise RowError("label", "is not in labels", remedy, classified.label, row_number)
        listed = LABELS[language].format(labels=", ".join(labels))
        asked = f"{asked}\n{listed}" if asked else listed
    return render(asked, text, classified.label, template, language, as_messages, system)
