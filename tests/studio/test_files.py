"""What is kept, and for how long."""

from cantilena.sources import Source
from cantilena.studio.files import Files


def test_a_file_is_found_by_its_hash_until_it_was_not_used_for_a_while():
    now = [0.0]
    files = Files(seconds=10, clock=lambda: now[0])
    kept = files.keep(b"MThd one", "one.mid")
    asked = Source("my name for it", kept.sha256)
    now[0] = 9
    (found,) = files.find([asked])
    assert (found.data, found.name) == (b"MThd one", "my name for it")
    now[0] = 18  # used at 9
    assert files.find([asked])
    now[0] = 29
    assert files.find([asked]) == []
    assert (len(files), files.bytes) == (0, 0)


def test_what_was_used_last_stays_where_there_is_not_room_for_all():
    files = Files(most_bytes=250)
    one, two = files.keep(b"a" * 100, "one"), files.keep(b"b" * 100, "two")
    files.keep(b"a" * 100, "again")  # the same bytes are kept once
    assert files.bytes == 200
    files.find([Source("one", one.sha256)])
    files.keep(b"c" * 100, "three")
    assert [source.sha256 for source in files.find([one, two])] == [one.sha256]
