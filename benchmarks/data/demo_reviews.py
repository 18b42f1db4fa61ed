"""The reviews that `bitsft demo` teaches: a balanced sample of NSMC, written into bitsft/data/demo.

    python benchmarks/data/demo_reviews.py --nsmc nsmc/ --out bitsft/data/demo

nsmc/ is the folder that benchmarks/evaluation/before_after.py describes: sentiment_train.jsonl and sentiment_test.jsonl
(`document`, `label` 0 or 1), and reviews.parquet (`document`), of which the model that ships with bitsft has read a part;
made from https://github.com/e9t/nsmc (CC0). A review is taken when, after `clean_text`, it

- has 10 to 60 characters in one line, at least three quarters of them Hangul or spaces;
- has none of the words in UNFIT, white space and punctuation left out: what one would not print in a README. The net is
  wide, and catches harmless reviews, too;
- differs from all others of both files, and from all of reviews.parquet (short ones were written by several people), in
  more than white space, case and punctuation.

Of those the first of each label by a hash of their text: 1,800 for training, from the one file, and 200 held out, from
the other. The result depends on the files and on this script only.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

from bitsft.data import clean_text, read_rows
from bitsft.data.common.atomic import atomic_path
from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.normal_form import normal_form

LABELS = {0: "부정", 1: "긍정"}
CHARACTERS = range(10, 61)
HANGUL = 0.75
UNFIT = re.compile(
    "시발|씨발|씨바|쉬발|ㅅㅂ|ㅆㅂ|ㅅㅃ|시바|슈발|병신|븅신|ㅂㅅ|좆|좇|존나|졸라|존내|조낸|ㅈㄴ|개새|새끼|새키|쉐끼|쉑|색히|"
    "지랄|지렸|지린|지릴|ㅈㄹ|염병|미친|또라이|돌아이|찌질|양아치|호구|싸이코|사이코|정신병|장애|벙어리|쓰레기|쓰렉|쓰래기|쓰뤠기|꺼져|닥쳐|"
    "뒤져|뒈|디져|죽어|죽여|죽이|죽일|자살|살인|강간|성폭|성추행|고문|알바|엿|똥|토나|토할|구역질|역겹|토쏠|더럽|더러|오줌|변태|"
    "임신|섹|쎅|떡|야동|야한|야하|에로|포르노|노출|가슴|몸매|벗|꼴|빨|싸구려|자지|보지|거시기|불알|고추|창녀|걸레|년|놈|남자새|"
    "계집|게이|호모|동성|레즈|김치|된장|한남|일베|홍어|전라|경상|쪽바|짱깨|짱개|왜놈|왜구|흑인|검둥|양키|빨갱|좌파|우파|좌빨|수꼴|"
    "종북|북한|친일|국정원|정치|대통령|국회|박근혜|이명박|노무현|노무|문재인|개독|기독|교회|목사|불교|이슬람|하느님|예수|느금|애미|애비|"
    "에미|에비|니미|엠창|씹|썅|쌍|ㄲㅈ|ㅗ|개같|개쓰|개망|개소리|개뿔|개판|발로|발가락|fuck|sex|shit",
    re.IGNORECASE,
)
_HANGUL = re.compile("[가-힣 ]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nsmc", type=Path, required=True, help="the folder described above")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=1800, help="reviews of each label")
    parser.add_argument("--held-out", type=int, default=200, help="reviews of each label")
    options = parser.parse_args()
    known = {
        normal_form(clean_text(row["document"]).text, punctuation=False)
        for row in read_rows(options.nsmc / "reviews.parquet")
        if row["document"] and len(row["document"]) <= 2 * CHARACTERS.stop
    }
    for split, file, each in (
        ("other_classification", "sentiment_test.jsonl", options.held_out),
        ("train_classification", "sentiment_train.jsonl", options.train),
    ):
        rows = sample(fit(options.nsmc / file, known), each)
        with atomic_path(options.out / f"{split}.jsonl") as new:
            new.write_text(
                "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
            )
        print(f"{split}: {len(rows)} rows")


def fit(path: Path, known: set[str]) -> Iterator[dict[str, str]]:
    """The reviews of a file that can be shown, none twice; `known` takes their normal forms."""
    for row in read_rows(path):
        text = clean_text(row["document"]).text.strip()
        form = normal_form(text, punctuation=False)
        if (
            len(text) in CHARACTERS
            and "\n" not in text
            and len(_HANGUL.findall(text)) >= HANGUL * len(text)
            and not UNFIT.search(form)
            and form not in known
        ):
            known.add(form)
            yield {"text": text, "label": LABELS[row["label"]]}


def sample(rows: Iterator[dict[str, str]], each: int) -> list[dict[str, str]]:
    """`each` rows of each label, in the order of their hashes."""
    left = dict.fromkeys(LABELS.values(), each)
    taken = []
    for row in sorted(rows, key=lambda row: stable_hash("demo", row["text"])):
        if left[row["label"]]:
            left[row["label"]] -= 1
            taken.append(row)
    if any(left.values()):
        raise SystemExit(f"too few reviews: {left} are missing")
    return taken


if __name__ == "__main__":
    main()
