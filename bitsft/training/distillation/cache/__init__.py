"""A teacher's outputs on disk: asked once, used in every epoch and every run.

store = CacheStore(folder)                                  the folder (store.py has the format)
build_cache(store, dataset, collate, load_teacher, ...)     asks the teacher about what is missing
CachedTeacher(store).signal(inputs, mask)                   stands in for the teacher
"""
