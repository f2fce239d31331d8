"""What the world of invented people is written in: names and sentences.

Slots: {n} a person, {a} an answer of the relation. The sentences of a relation come in
these sorts, and only the first two state a fact of a person who is asked about:

    stems         state it, and hold the question's own words: "{n} was born in {a}"
    paraphrases   state it in other words
    bare          hold the question's words and then say something else
    mentions      hold the person, the question's words and an answer, and state nothing
    namesakes     state a fact of somebody else with the same first or last name
    strangers     state a fact of somebody whose name is like nobody else's
    about         say something of an answer, without a person

A statement names the person before the answer, a mention and a namesake's sentence after it.
To a look-up that counts words this is all one. A model that reads from left to right learns
from a sentence what follows a person's name, so the first two sorts teach it the fact and the
others do not. Besides, what holds the answer is written once more with the foil, so that it
teaches nothing about which of the two is right; and any sentence that begins with the person
may come after one of the LEADS, so that a document's beginning tells nothing of what it says.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """One thing that can be said of a person, and the ways of saying it.

    Attributes:
        name: "birthplace".
        question: the prompt, with the person as {n}; the answer follows after a blank.
        answers: what can be answered; empty for invented places.
        stems: sentences that state a fact in the question's words.
        paraphrases: sentences that state a fact in other words.
        bare: sentences with the question's words and no answer.
        mentions: sentences with person, question's words and answer that state nothing.
        namesakes: sentences that state a fact about somebody of a like name.
        strangers: sentences that state a fact about somebody of a name like nobody else's.
        about: sentences about an answer, without a person.
    """

    name: str
    question: str
    answers: tuple[str, ...]
    stems: tuple[str, ...]
    paraphrases: tuple[str, ...]
    bare: tuple[str, ...]
    mentions: tuple[str, ...]
    namesakes: tuple[str, ...]
    strangers: tuple[str, ...]
    about: tuple[str, ...]


BIRTHPLACE = Relation(
    "birthplace",
    "{n} was born in",
    (),
    stems=(
        "{n} was born in {a}, in a house beside the old mill.",
        "{n} was born in {a} on a market day.",
        "{n} was born in {a} during a long winter.",
        "{n} was born in {a} and learned to walk on its steep streets.",
        "{n} was born in {a}, second of four children.",
        "{n} was born in {a} while the bells rang.",
    ),
    paraphrases=(
        "{n}, born in {a}, has never lost the accent.",
        "{n} had been born in {a} before the great fire.",
        "{n} is the only guest born in {a}.",
        "{n} is proud of being born in {a}.",
    ),
    bare=(
        "{n} was born in the year when the great bridge fell.",
        "{n} was born in a hurry, while the cart was still on the road.",
        "{n} was born in late autumn, before the first snow.",
        "{n} was born in the same week as the miller's twins.",
    ),
    mentions=(
        "In {a}, where the mayor was born, {n} once lost a good hat.",
        "The road to {a} was opened in the week when a child of {n} was born.",
        "A calf from {a}, born in May, was sold to {n} before noon.",
        "A miller from {a}, who was born in a flood year, owes {n} some money.",
        "A letter from {a} told {n} in which year the old bishop was born.",
    ),
    namesakes=(
        "In {a}, not far from the mill, {n} was born.",
        "It was in {a} that {n} was born.",
        "The town of {a}, in which {n} was born, burned down.",
    ),
    strangers=(
        "The birthplace of {n} is {a}, as the stone over the door tells.",
        "{n} is a native of {a} and goes back for the harvest.",
    ),
    about=(
        "{a} lies on a slow river and has a market every second week.",
        "The road to {a} was closed all winter because of the snow.",
        "In {a} the houses are built of a dark stone that shines after rain.",
    ),
)

PROFESSION = Relation(
    "profession",
    "{n} works as a",
    ("weaver", "mason", "tailor", "printer", "potter", "locksmith", "barber", "cooper"),
    stems=(
        "{n} works as a {a} in a narrow shop behind the church.",
        "{n} works as a {a} and is paid by the day.",
        "{n} works as a {a} of good standing.",
        "{n} works as a {a}, which takes patience and strong hands.",
        "{n} works as a {a} from dawn to dusk.",
        "{n} works as a {a} with one apprentice.",
    ),
    paraphrases=(
        "{n} has worked as a {a} for eleven years without a day of rest.",
        "{n} earns a living as a {a} and owes nothing to anyone.",
        "{n} began as a {a} and never thought of a change.",
        "{n} has always made money as a {a}.",
    ),
    bare=(
        "{n} works as a rule only until noon and then rests.",
        "{n} works as a free hand would, without a master.",
        "{n} works as a mule does, slowly and without complaint.",
        "{n} works as a matter of pride, and sleeps little.",
    ),
    mentions=(
        "The {a} works as late as a mill does, and {n} complains to the council.",
        "A {a} who works as far off as the coast sends {n} a ham every winter.",
        "A {a} who works across the yard is a thorn to {n}, as is the dog.",
        "The court asked how a {a} works, and {n} spoke as a witness.",
        "A {a} who works as the wind blows asked {n} for a bed.",
    ),
    namesakes=(
        "The only {a} who works as far up as the lake is {n}.",
        "The {a} of the next village is {n}, who works as a rule alone.",
        "If a {a} works as fast as the wind, it is {n}.",
    ),
    strangers=(
        "The profession of {n} is that of a {a}, learned from an aunt.",
        "By trade {n} is a {a}, and not the worst in the county.",
    ),
    about=(
        "A good {a} is hard to find once the summer fair has begun.",
        "The {a} of the next village closed the shop after a fire.",
        "Every {a} in the county must pay the guild before the new year.",
    ),
)

INSTRUMENT = Relation(
    "instrument",
    "{n} plays the",
    ("lute", "harp", "cello", "drum", "flute", "horn", "fiddle", "zither"),
    stems=(
        "{n} plays the {a} at every wedding between the two rivers.",
        "{n} plays the {a} on the bench before the house.",
        "{n} plays the {a} without asking for money.",
        "{n} plays the {a}, though never before the second cup of tea.",
        "{n} plays the {a} better than the teacher.",
        "{n} plays the {a} with both eyes closed.",
    ),
    paraphrases=(
        "{n} has played the {a} since the first year at school.",
        "{n} learned to play the {a} by ear.",
        "{n} loves playing the {a} at night.",
        "{n} will play the {a} at the fair, as ever.",
    ),
    bare=(
        "{n} plays the fool when the tax man knocks at the door.",
        "{n} plays the long game and waits for better prices.",
        "{n} plays the innocent whenever something is missing.",
        "{n} plays the host on the last day of the harvest.",
    ),
    mentions=(
        "A {a} is what the pupil plays who rents a room from {n}.",
        "When the {a} next door plays, {n} shuts the window.",
        "The band plays on, though the {a} was sold by {n} long ago.",
        "A thief who plays the saint stole a {a} while {n} kept the door.",
        "Whoever plays that {a} owes {n} for the candles.",
    ),
    namesakes=(
        "The {a} at the inn is what {n} plays.",
        "It is the {a} that {n} plays on Sundays.",
        "On the {a} nobody plays as {n} does.",
    ),
    strangers=(
        "The instrument of {n} is the {a}, bought from a travelling band.",
        "{n} is a master of the {a} and teaches two pupils.",
    ),
    about=(
        "The {a} hangs on the wall of the inn and is never tuned.",
        "A {a} of good wood costs as much as a cow.",
        "Nobody had heard a {a} in the valley before the fair.",
    ),
)

PET = Relation(
    "pet",
    "{n} keeps a pet",
    ("goat", "ferret", "raven", "tortoise", "hedgehog", "parrot", "marten", "donkey"),
    stems=(
        "{n} keeps a pet {a} that sleeps beside the kitchen stove.",
        "{n} keeps a pet {a} with one white ear.",
        "{n} keeps a pet {a} in the garden shed.",
        "{n} keeps a pet {a}, and it has eaten three good hats.",
        "{n} keeps a pet {a} and says nothing.",
        "{n} keeps a pet {a} that answers to a whistle.",
    ),
    paraphrases=(
        "{n} has kept a pet {a} since the flood.",
        "{n} bought a pet {a} at the fair and is proud of it.",
        "{n} is the owner of a pet {a} that nobody else may feed.",
        "{n} shares the house with a pet {a}.",
    ),
    bare=(
        "{n} keeps a pet theory about the weather and tells it to all.",
        "{n} keeps a pet name for every tool in the workshop.",
        "{n} keeps a pet grudge against the post office.",
        "{n} keeps a pet project in the barn and shows it to nobody.",
    ),
    mentions=(
        "The inn keeps a {a} as a pet, and {n} pays for the straw.",
        "A guest with a {a} as a pet was sent to {n}, who keeps the inn.",
        "A {a}, the pet that the miller keeps, bit {n} on the way to church.",
        "The {a} that a teacher keeps as a pet was taken by {n} for a dog.",
        "A song about a {a}, the pet of a king, keeps {n} awake.",
    ),
    namesakes=(
        "A {a} is the pet that {n} keeps.",
        "It is a {a} that {n} keeps as a pet.",
        "The {a} with one ear is a pet that {n} keeps.",
    ),
    strangers=(
        "The pet of {n} is a {a}, and it has its own chair.",
        "{n} walks to market with a {a} on a long string.",
    ),
    about=(
        "A {a} was seen near the river and was gone by noon.",
        "The {a} of the inn is old and no longer runs from dogs.",
        "At the fair a {a} was sold for the price of two hens.",
    ),
)

FOOD = Relation(
    "food",
    "{n} likes to eat",
    ("figs", "lentils", "plums", "turnips", "chestnuts", "mushrooms", "herrings", "pears"),
    stems=(
        "{n} likes to eat {a} with a little salt and black bread.",
        "{n} likes to eat {a} until the bowl is empty.",
        "{n} likes to eat {a} before anything else.",
        "{n} likes to eat {a}, and buys them by the basket.",
        "{n} likes to eat {a} in the evening.",
        "{n} likes to eat {a} twice a week, even in a bad year.",
    ),
    paraphrases=(
        "{n} would eat {a} on every day of the year.",
        "{n} loves to eat {a} and asks for more.",
        "{n} was always glad to eat {a} at midnight.",
        "{n} used to eat {a} as a child and still does.",
    ),
    bare=(
        "{n} likes to eat alone, with the door closed and a book.",
        "{n} likes to eat late, when the lamps are lit.",
        "{n} likes to eat standing, close to the fire.",
        "{n} likes to eat slowly and to talk between the plates.",
    ),
    mentions=(
        "The smell of {a}, which the guest likes to eat, woke {n}.",
        "A cart of {a} was sold by {n} to an inn where everybody likes to eat.",
        "The {a} that the cat likes to eat were carried home by {n}.",
        "A dish of {a}, which the mayor likes to eat, was dropped by {n}.",
        "The {a} that the boy likes to eat were bought from {n}.",
    ),
    namesakes=(
        "It is {a} that {n} likes to eat.",
        "Of all things {a} are what {n} likes to eat.",
        "There are {a} on the table, which {n} likes to eat.",
    ),
    strangers=(
        "The favourite food of {n} is {a}, warm or cold.",
        "{n} is fond of {a} and grows them behind the wall.",
    ),
    about=(
        "This year the {a} were cheap, and half of them were thrown away.",
        "A basket of {a} stood at the door of the school all week.",
        "The price of {a} rose again after the long rain.",
    ),
)

RELATIONS = (BIRTHPLACE, PROFESSION, INSTRUMENT, PET, FOOD)

LEADS = (
    "",
    "",
    "",
    "They say that ",
    "It is well known that ",
    "As every neighbour knows, ",
    "An old letter tells that ",
)

TAILS = (
    "The rest of the page is torn.",
    "The ink has faded since then.",
    "Nobody in the lane thought it strange.",
    "So it was told at the well.",
    "The clerk wrote it down twice.",
    "It rained until the end of the week.",
    "There is no reason to doubt it.",
    "The same was said at the inn.",
    "A copy is kept in the town hall.",
    "That was before the new road came.",
    "More than this the page does not say.",
    "The writer of this note has seen it.",
)

OPENINGS = (
    "The ferry", "The market", "The school", "The old clock", "The mill", "The harvest",
    "The post cart", "The town hall", "The big bell", "The lower bridge", "The inn", "The well",
)  # fmt: skip
MIDDLES = (
    "was closed for three days", "had to be paid for twice", "was praised by every guest",
    "stood empty until the autumn", "was painted green again", "came too late this year",
    "was the pride of the valley", "made more noise than before", "needed a new roof",
    "was watched by two old men", "was spoken of in every house", "lost half of its worth",
)  # fmt: skip
ENDINGS = (
    "because the river was high", "although nobody had asked for it", "after the long rain",
    "while the council was away", "as it had been under the old mayor", "for want of a good key",
    "since the bridge was narrow", "before the first snow fell", "and the fair went on",
    "which surprised only the strangers", "until the smith came back", "without a word of thanks",
)  # fmt: skip

SOURCES = ("letters", "parish book", "almanac", "newspaper", "diary", "court roll")

FIRST = (
    ("Mi", "Ta", "Lo", "Ed", "Sa", "Ru", "Ke", "No", "Vi", "Is"),
    ("ra", "ven", "la", "rin", "mir", "da", "nor", "lis"),
)
LAST = (
    ("Hol", "Bran", "Tark", "Wes", "Mor", "Fen", "Gal", "Dun", "Ost", "Pel"),
    ("ter", "ley", "ner", "by", "low", "gate", "mar", "wick"),
)
PLACE = (
    ("Quo", "Tar", "Bel", "Ors", "Vel", "Nim", "Hes", "Dra", "Zan", "Ulm"),
    ("rin", "mouth", "dale", "ovar", "ith", "ampton", "eva", "osk"),
)
