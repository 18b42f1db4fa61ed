"""What the report of a comparison says, in English and in Korean.

`{names}` are filled in. Names that the evaluations bring along (models, tasks, metrics, labels) stay as they
are, and so do the sentences of `Comparison.notes`.
"""

from bitsft.data.common.choices import check_choice
from bitsft.pages.words import LANGUAGES, Dictionary, words_of

_WORDS: Dictionary = {
    "made_by": ("Model comparison by bitsft", "bitsft 모델 비교 보고서"),
    "title": ("{base} and {tuned} compared", "{base} 대 {tuned} 비교"),
    "base": ("Base", "기본"),
    "tuned": ("Tuned", "튜닝"),
    "base_model": ("Base: {model}", "기본: {model}"),
    "tuned_model": ("Tuned: {model}", "튜닝: {model}"),
    "all_rows": ("All rows", "전체 행"),
    "held_out": ("Held-out texts", "평가용 글"),
    "rows": ("Rows", "행"),
    "rows_of": ("{count} rows", "{count}개 행"),
    "row": ("Row", "행"),
    "task": ("Task", "작업"),
    "metric": ("Metric", "지표"),
    "characters": ("characters", "글자"),
    "empty": ("(empty)", "(비어 있음)"),
    "others": ("{count} others", "그 밖의 {count}개"),
    # Headings
    "overview": ("Overview", "개요"),
    "scores": ("Scores", "점수"),
    "spread": ("Row by row", "행별 점수"),
    "confusion": ("Confusion", "혼동 행렬"),
    "slices": ("Slices", "부분별"),
    "changes": ("Changes", "변화"),
    "answers": ("Answers", "답변"),
    # Overview
    "summary": (
        "{metrics} metrics over {rows} rows: {better} better, {worse} worse, {open} without a shown "
        "difference (paired test, level {level:g}, adjusted for the number of metrics).",
        "{rows}개 행, 지표 {metrics}개: {better}개 향상, {worse}개 하락, {open}개는 차이가 확인되지 않음"
        "(대응 검정, 유의수준 {level:g}, 지표 수로 보정).",
    ),
    "how_made": ("How the two evaluations were made", "두 평가의 조건"),
    "setting": ("Setting", "항목"),
    "model": ("model", "모델"),
    "decoding": ("decoding", "생성 설정"),
    "meanings": ("What the scores say, and what they do not", "점수가 말하는 것과 말하지 않는 것"),
    "meaning": ("Meaning", "의미"),
    "left_out": ("Metrics that could not be compared", "비교할 수 없는 지표"),
    "reason": ("Reason", "이유"),
    # Scores
    "dots": ("Both models, with 95 % intervals", "두 모델의 점수와 95% 구간"),
    "dots_caption": (
        "Each line has a scale of its own: from 0 to 1, to 100 (BLEU, chrF), or to the largest end of an interval.",
        "줄마다 눈금이 다릅니다: 0부터 1, 100(BLEU, chrF) 또는 구간의 가장 큰 끝까지입니다.",
    ),
    "scores_caption": (
        "Below each value its 95 % interval (bootstrap over rows). p: paired randomization test, adjusted for the number "
        "of metrics (Holm). Neither says anything of another training run.",
        "값 아래는 95% 구간(행 부트스트랩)입니다. p는 대응 무작위화 검정이며 지표 수로 보정했습니다(Holm). "
        "다시 학습했을 때의 결과에 대해서는 아무것도 말해 주지 않습니다.",
    ),
    "difference": ("Difference", "차이"),
    "relative": ("Relative", "상대"),
    "p": ("p", "p"),
    "verdict": ("Verdict", "판정"),
    "better": ("better", "향상"),
    "worse": ("worse", "하락"),
    "changed": ("changed", "변화"),
    "no difference shown": ("no difference shown", "차이 확인 안 됨"),
    "not tested": ("not tested", "검정 안 함"),
    "lower_is_better": ("lower is better", "낮을수록 좋음"),
    "details": ("More metrics", "그 밖의 지표"),
    "signatures": ("How each metric is computed", "지표별 계산 방법"),
    "signature": ("Signature", "서명"),
    # Row by row
    "distribution": ("How many rows score how much: {metric}", "점수 분포: {metric}"),
    "distribution_caption": (
        "{tuned} above the line, {base} below. Means: {tuned_mean} and {base_mean}.",
        "선 위가 {tuned}, 아래가 {base}입니다. 평균: {tuned_mean}, {base_mean}.",
    ),
    "against_length": (
        "Gain against the length of the reference: {metric}",
        "정답 길이에 따른 향상: {metric}",
    ),
    "against_length_caption": (
        "The dots with bars are means of about equally many rows with 95 % intervals.",
        "막대가 있는 점은 비슷한 수의 행을 묶은 평균과 95% 구간입니다.",
    ),
    "points_caption": (
        "Small dots: {shown} of {rows} rows.",
        "작은 점: {rows}개 중 {shown}개 행.",
    ),
    "mean_gain": ("mean gain", "평균 향상"),
    "one_row": ("one row", "한 행"),
    "right_wrong": ("What became of right and wrong answers: {metric}", "정답과 오답의 변화: {metric}"),
    "right": ("right", "정답"),
    "wrong": ("wrong", "오답"),
    # Confusion
    "by_generation": ("Generated labels", "생성한 레이블"),
    "by_likelihood": ("Most likely labels", "가장 가능성 높은 레이블"),
    "confusion_caption": (
        "A line is a true label, a column what the model said; the diagonal is right. The shade is the share of "
        "the line.",
        "가로줄은 실제 레이블, 세로줄은 모델의 답이며 대각선이 정답입니다. 진하기는 줄 안에서의 비율입니다.",
    ),
    "true_label": ("True label", "실제 레이블"),
    "predicted": ("Predicted", "예측"),
    "no_label": ("(no label)", "(레이블 아님)"),
    # Slices
    "slices_caption": (
        "Difference of {metric} with its 95 % interval. Triangles: the interval leaves out 0. With many slices one "
        "of twenty does so by chance: a slice is where to look, not what was proven.",
        "{metric}의 차이와 95% 구간입니다. 삼각형은 구간이 0을 포함하지 않는 경우입니다. 부분이 많으면 스물 중 하나는 "
        "우연히 그렇게 되므로, 증명이 아니라 살펴볼 곳을 알려 줍니다.",
    ),
    "slice": ("Slice", "부분"),
    "slice task": ("task", "작업"),
    "slice prompt length": ("prompt", "프롬프트"),
    "slice reference length": ("reference", "정답"),
    "slice label": ("label", "레이블"),
    "slice distractors": ("distractors", "방해 문서 수"),
    "slices_table": ("The same as a table", "표로 보기"),
    # Changes
    "better_worse": ("Rows that got better and worse", "향상된 행과 하락한 행"),
    "same": ("same", "그대로"),
    "changes_line": (
        "By {metric}: {better} better, {worse} worse, {same} the same; {regressions} regressions ({rule}).",
        "{metric} 기준: 향상 {better}, 하락 {worse}, 그대로 {same}, 퇴보 {regressions}({rule}).",
    ),
    "rule 0 before, 1 now": ("0 before, 1 now", "전에는 0, 지금은 1"),
    "rule right before (1), wrong now (0)": (
        "right before, wrong now",
        "전에는 정답, 지금은 오답",
    ),
    "lost_more_than": ("lost more than {limit}", "{limit} 넘게 하락"),
    "best": ("Largest gains", "가장 많이 향상된 행"),
    "worst": ("Largest losses", "가장 많이 하락한 행"),
    "regressions": ("Regressions", "퇴보"),
    "first_of": ("{heading}: {shown} of {count}", "{heading}: {count}개 중 {shown}개"),
    "question": ("Question", "질문"),
    "gain": ("Gain", "향상"),
    # Answers
    "rows_all": ("All {rows} rows.", "전체 {rows}개 행입니다."),
    "rows_some": (
        "{shown} of {rows} rows: {changed} that changed most (best, worst, {regressions} of {all_regressions} "
        "regressions) and {drawn} drawn at random from the others (seed {seed}).",
        "{rows}개 중 {shown}개 행입니다: 가장 많이 변한 {changed}개(향상, 하락, 퇴보 {all_regressions}개 중 "
        "{regressions}개)와 나머지에서 무작위로 뽑은 {drawn}개(시드 {seed}).",
    ),
    "texts_cut": (
        "Texts of more than {limit} characters are cut, in full they are in predictions.jsonl.",
        "{limit}글자를 넘는 글은 줄였습니다. 전체는 predictions.jsonl에 있습니다.",
    ),
    "marks_legend": ("Against the reference:", "정답과의 차이:"),
    "extra": ("only in the answer", "답변에만 있음"),
    "missing": ("missing from it", "답변에 없음"),
    "equal": ("equals the reference", "정답과 같음"),
    "unlike": ("little in common with the reference", "정답과 공통점이 적음"),
    "unfinished": ("cut off at the token limit", "토큰 한도에서 잘림"),
    "likely": ("most likely label: {label}", "가장 가능성 높은 레이블: {label}"),
    "regression": ("regression", "퇴보"),
    "not scored": ("not scored", "점수 없음"),
    "reference": ("Reference", "정답"),
    "prompt": ("Prompt", "프롬프트"),
    "context": ("Context: {count} documents", "문맥: 문서 {count}개"),
    "oracle": ("holds the answer", "정답이 든 문서"),
    "all_scores": ("All scores of this row", "이 행의 모든 점수"),
    "left_out_characters": ("… {count} characters left out …", "… {count}글자 생략 …"),
    # Filter
    "filter": ("Choose rows", "행 고르기"),
    "search": ("Search", "검색"),
    "search_hint": ("words in any text", "모든 글에서 찾기"),
    "any_task": ("All tasks", "모든 작업"),
    "no_task": ("(no task)", "(작업 없음)"),
    "change": ("Change", "변화"),
    "any_change": ("All", "모두"),
    "by_at_least": ("By at least", "최소 크기"),
    "order": ("Order", "순서"),
    "by_row": ("Row number", "행 번호"),
    "by_gain": ("Largest gain first", "많이 향상된 순"),
    "by_loss": ("Largest loss first", "많이 하락한 순"),
    "reset": ("Reset", "초기화"),
    "open_all": ("Unfold all", "모두 펼치기"),
    "close_all": ("Fold all", "모두 접기"),
    "shown_of": ("{shown} of {rows}", "{rows}개 중 {shown}개"),
    "none_found": ("No row fits this choice.", "조건에 맞는 행이 없습니다."),
}  # fmt: skip


def words(language: str) -> dict[str, str]:
    """Return all words of a language by their keys.

    Raises:
        ValueError: For a language other than `"en"` and `"ko"`.
    """
    check_choice("language", language, LANGUAGES)
    return words_of(language, _WORDS)
