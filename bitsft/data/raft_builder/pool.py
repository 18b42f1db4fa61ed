"""`ChunkPool`: the chunks that distractors are drawn from, each normal form once.

Two chunks with the same normal form are one chunk (`normal_form.py`): the first text seen stands for both.
This is what keeps a copy of the oracle from coming back as a distractor: in a pool of eight chunks of
which two were alike, the generator of the paper's authors put the oracle back into half of the rows that
were to be without it (ShishirPatil/gorilla at 6ea5797, raft/raft.py).

Memory: the chunks and their normal forms are kept, about six bytes for each Korean character.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from bitsft.data.common.hashing import stable_hash
from bitsft.data.common.normal_form import normal_form
from bitsft.data.common.seeded import drawing_order
from bitsft.data.fields import RowError, check_text, is_missing, shorten
from bitsft.data.raft_builder.chunks import split_text
from bitsft.data.records import Record

if TYPE_CHECKING:
    import numpy as np

Document: TypeAlias = str | Mapping[str, Any] | Record


class ChunkPool:
    """Chunks of documents without repetitions.

    Args:
        chunk_size: The largest chunk, in what `size` counts; None takes documents as they are.
        chunk_overlap: How much of a chunk the next one repeats, at most; see `split_text`.
        size: The size of a text: `len` for characters, or a tokenizer's count.

    Attributes:
        texts: The chunks.
        normals: Their normal forms, all different.
        documents: The texts of documents with an id, by id.
        documents_read: Documents given, without the empty ones.
        documents_empty: Documents without anything to see in them; they are left out.
        repeated: Chunks left out because an equal one was there.
    """

    def __init__(
        self,
        *,
        chunk_size: int | None = None,
        chunk_overlap: int = 0,
        size: Callable[[str], int] = len,
    ) -> None:
        if chunk_size is None and chunk_overlap:
            raise ValueError(f"chunk_overlap={chunk_overlap} needs a chunk_size")
        self._chunk_size, self._overlap, self._size = chunk_size, chunk_overlap, size
        self.split("")  # refuses a size or an overlap that makes no sense
        self.texts: list[str] = []
        self.normals: list[str] = []
        self.documents: dict[str, str] = {}
        self.documents_read = self.documents_empty = self.repeated = 0
        self._index: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def split(self, text: str) -> list[str]:
        """Return the chunks of a document, in order."""
        if self._chunk_size is None:
            return [text.strip()] if text.strip() else []
        return split_text(text, self._chunk_size, overlap=self._overlap, size=self._size)

    def add(self, chunk: str) -> None:
        """Add a chunk, unless an equal one is there or nothing of it can be seen."""
        normal = normal_form(chunk)
        if not normal:
            return
        if normal in self._index:
            self.repeated += 1
            return
        self._index[normal] = len(self.texts)
        self.texts.append(chunk)
        self.normals.append(normal)
        self.__dict__.pop("keys", None)

    def add_documents(
        self, documents: Iterable[Document], *, text_column: str = "text", id_column: str = "id"
    ) -> None:
        """Add the chunks of all documents.

        Args:
            documents: Texts, or rows with a text and, optionally, an id.
            text_column: The column of the text.
            id_column: The column of the id, under which a question row can name its document.

        Raises:
            ValueError: For a document without the column of texts, whose text is none or holds half of a
                surrogate pair, or an id that two different texts have; with the document's number, from 0.
        """
        for number, document in enumerate(documents):
            text, name = _read_document(document, number, text_column, id_column)
            if is_missing(text):
                self.documents_empty += 1
                continue
            try:
                text = check_text(text, text_column, None)
            except RowError as error:
                raise ValueError(f"document {number}: {error}") from error
            self.documents_read += 1
            if name is not None:
                known = self.documents.setdefault(name, text)
                if known != text and normal_form(known) != normal_form(text):
                    raise ValueError(
                        f"document {number}: its {id_column} {name!r} is that of another document, "
                        f"with the text {shorten(known)}. Give each document an id of its own"
                    )
            for chunk in self.split(text):
                self.add(chunk)

    def random_order(self, row_key: int, first: int) -> Iterator[int]:
        """Yield the indices of all chunks in the row's own random order; see `drawing_order`."""
        return drawing_order(self.keys, row_key, first)

    @cached_property
    def keys(self) -> "np.ndarray":
        """64 bits of hash for each chunk, by which chunks are drawn and ties are broken."""
        import numpy as np

        return np.array([stable_hash(normal) for normal in self.normals], dtype=np.uint64)


def _read_document(
    document: Document, number: int, text_column: str, id_column: str
) -> tuple[Any, str | None]:
    if isinstance(document, Record):
        document = document.values
    if isinstance(document, str):
        return document, None
    if not isinstance(document, Mapping):
        raise ValueError(f"document {number}: {shorten(document)} is neither a text nor a row")
    if text_column not in document:
        raise ValueError(
            f"document {number}: it has the columns {list(document)}, but no {text_column!r}. "
            "Name the column of the text with text_column"
        )
    text, name = document[text_column], document.get(id_column)
    return text, None if is_missing(name) else str(name)
