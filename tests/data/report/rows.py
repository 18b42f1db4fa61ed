"""Small data for the report."""

from typing import Any


def classified(text: str, label: str) -> dict[str, Any]:
    return {"task": "classification", "text": text, "label": label}


def asked(question: str, answer: str) -> dict[str, Any]:
    return {"task": "koalpaca", "instruction": question, "output": answer}


def small() -> dict[str, list[dict[str, Any]]]:
    """Three splits, two tasks."""
    train = [classified(f"정말 좋은 영화였어요 {n}", "긍정") for n in range(14)]
    train += [classified(f"다시는 보고 싶지 않아요 {n}", "부정") for n in range(7)]
    train += [asked(f"{n} 더하기 {n}은?", f"{2 * n}입니다.") for n in range(9)]
    return {
        "train": train,
        "validation": [classified("그저 그래요", "부정"), asked("수도는?", "서울입니다.")],
        "test": [classified("최고예요", "긍정")],
    }


def formatted(prompt: str, completion: str) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion}
