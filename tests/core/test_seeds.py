import hashlib

from whence.core import seeds


def test_a_seed_depends_on_its_names_alone():
    assert seeds.derive(1, "order", 2) == seeds.derive(1, "order", 2)
    names = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (1, "a")]
    assert len({seeds.derive(*name) for name in names}) == len(names)


def test_a_seed_is_63_bits_of_sha256():
    expected = int(hashlib.sha256(b"7/order/3").hexdigest()[:16], 16) // 2
    assert seeds.derive(7, "order", 3) == expected
    assert expected < 2**63


def test_generators_repeat():
    first, again = seeds.generator(3, "x").random(4), seeds.generator(3, "x").random(4)
    assert first.tolist() == again.tolist()
    assert first.tolist() != seeds.generator(3, "y").random(4).tolist()
