"""Corpora: folders and archives of songs -> melodies, each tune once, split by song, memory-mapped.

`store.Corpus` reads one, `build.build` makes one: `sources` streams the files, a `pool` of workers turns batches into
`parts`, `merge` joins these by `tunes`, and `manifest` counts what was kept and why the rest was not.
"""
