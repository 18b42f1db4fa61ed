from bitsft.comparison.meanings import meanings_of


def test_each_sentence_once_in_a_fixed_order() -> None:
    metrics = ["exact_match", "rougeL", "rouge1_recall", "cosine_tfidf_jamo", "answer_chars"]
    said = meanings_of(metrics)
    assert [text.split()[0] for text in said] == ["ROUGE", "The", "Exact"]
    assert said == meanings_of(reversed(metrics))
    assert said[1] == "The cosine of jamo n-grams compares spelling, not meaning."


def test_an_embedder_is_not_said_to_compare_spelling() -> None:
    (said,) = meanings_of(["cosine"])
    assert "embedder" in said


def test_korean() -> None:
    english, korean = (meanings_of(["accuracy", "raft_quoted"], name) for name in ("en", "ko"))
    assert len(english) == len(korean) == 2
    assert korean[1].startswith("정확도는")


def test_what_needs_no_word() -> None:
    assert meanings_of(["answer_chars", "blank"]) == []
