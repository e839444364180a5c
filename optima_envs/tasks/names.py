"""Invented names and value lists of the two-hop world. Every relation has its own value list, each long enough that
naming one of its values blindly is worthless."""

from __future__ import annotations


def _join(heads: str, tails: str) -> tuple[str, ...]:
    return tuple(head + tail for head in heads.split() for tail in tails.split())


PEOPLE = _join("Mi Ta Lo Ke Sa Ru Vi No Da Fe", "ra len vin dor mis kan bel ton sha rik lia que")
FAMILIES = _join(
    "Har Bren Cald Dun Fal Gor Kest Lind Mor Pell", "ford wick ston by mere ley croft den gate shaw worth ham"
)

# person -> family: the links of a chain
LINKS = ("mentor", "rival", "neighbour", "cousin", "tailor", "doctor", "landlord", "partner")

# family -> value: the last hop
VALUES: dict[str, tuple[str, ...]] = {
    "city": _join("Ar Bel Cor Dra Es Or Um Zan", "dova lin mark tis peth"),
    "animal": tuple(
        "otter badger heron lynx weasel falcon gecko bison moose raven beaver ferret tapir ibis walrus jackal marten "
        "lemur puffin stoat magpie osprey newt toad vole wombat zebra yak civet dingo gibbon hyena impala koala llama "
        "mole panda quail rabbit salmon".split()
    ),
    "craft": tuple(
        "weaving carving baking brewing pottery joinery tanning dyeing printing etching masonry glazing spinning "
        "knitting quilting turning forging casting gilding binding plating milling thatching coopering roofing "
        "plumbing welding soldering engraving enamelling lacquering felting basketry papermaking bookbinding "
        "embroidery calligraphy clockmaking ropemaking smithing".split()
    ),
    "instrument": tuple(
        "lute harp flute oboe cello viola fiddle bugle cornet tuba zither sitar banjo guitar piano organ clarinet "
        "bassoon trumpet trombone drum timpani gong marimba celesta spinet dulcimer ocarina piccolo recorder "
        "bagpipe accordion concertina harmonica mandolin ukulele balalaika theremin kazoo lyre".split()
    ),
    "dish": tuple(
        "stew curry risotto paella lasagna dumpling goulash ramen tagine chowder gumbo omelette pancake waffle "
        "porridge pudding trifle crumble strudel pretzel bagel falafel hummus kebab burrito taco sushi tempura "
        "biryani korma laksa pho ceviche borscht pierogi ravioli gnocchi polenta frittata quiche".split()
    ),
    "colour": tuple(
        "amber azure beige bronze cerise cobalt copper coral crimson cyan ebony emerald fawn fuchsia ginger gold "
        "indigo ivory jade khaki lavender lemon lilac lime magenta maroon mauve mustard navy ochre olive peach "
        "pearl plum ruby russet saffron scarlet sepia teal".split()
    ),
}
