"""What the eighty kinds of things that COCO boxes (arXiv:1405.0312) are called in captions.

Written for this project from what the words mean. It is not the list of CHAIR's authors (arXiv:1809.02156),
so figures are close to theirs and not the same; with their `synonyms.txt` they can be had, but for plurals.
"""

from collections.abc import Iterable, Mapping

from vlm.corpus.objects.words import Vocabulary

_WORDS = {
    "person": "human, man, woman, boy, girl, child, kid, toddler, baby, infant, adult, teenager, lady, "
    "guy, gentleman, individual, pedestrian, passenger, driver, rider, player, batter, catcher, pitcher, "
    "umpire, referee, skier, snowboarder, skateboarder, skater, surfer, cyclist, bicyclist, biker, "
    "motorcyclist, swimmer, runner, athlete, spectator, onlooker, bystander, crowd, audience, chef, "
    "baker, waiter, waitress, bartender, worker, officer, policeman, policewoman, soldier, "
    "firefighter, fireman, guard, student, teacher, doctor, nurse, farmer, fisherman, cowboy, jockey, "
    "bride, groom, mother, father, mom, dad, parent, son, daughter, brother, sister, husband, wife, "
    "grandmother, grandfather, tourist, traveler, customer, shopper, vendor, photographer, musician, "
    "performer, businessman, businesswoman, friend",
    "bicycle": "bike, tricycle",
    "car": "automobile, sedan, suv, taxi, taxicab, cab, jeep, van, minivan, hatchback, convertible, "
    "limousine, limo, station wagon, police car",
    "motorcycle": "motorbike, motor bike, motor cycle, moped, scooter, motor scooter, dirt bike",
    "airplane": "aeroplane, plane, air plane, aircraft, jet, airliner, jetliner, jumbo jet, biplane, "
    "seaplane",
    "bus": "minibus, school bus, double decker, double decker bus",
    "train": "locomotive, tram, streetcar, monorail",
    "truck": "lorry, pickup, pick up truck, firetruck, fire engine",
    "boat": "ship, sailboat, sail boat, rowboat, row boat, motorboat, speedboat, canoe, kayak, yacht, "
    "ferry, gondola, dinghy, raft, barge, tugboat, catamaran, houseboat",
    "traffic light": "traffic signal, stoplight, stop light",
    "fire hydrant": "hydrant, fire plug",
    "stop sign": "stopsign",
    "parking meter": "",
    "bench": "park bench",
    "bird": "pigeon, seagull, sea gull, gull, duck, duckling, goose, swan, parrot, parakeet, cockatoo, "
    "macaw, eagle, hawk, falcon, owl, ostrich, sparrow, crow, raven, robin, dove, finch, hummingbird, "
    "woodpecker, flamingo, pelican, heron, stork, peacock, penguin, rooster, hen",
    "cat": "kitten, kitty, tabby, feline, tomcat",
    "dog": "puppy, pup, poodle, labrador, retriever, terrier, bulldog, beagle, dachshund, chihuahua, "
    "corgi, husky, collie, spaniel, pug, hound, greyhound, dalmatian, german shepherd, sheepdog, "
    "sheep dog, canine",
    "horse": "pony, foal, stallion, mare, colt",
    "sheep": "lamb, ewe, ram",
    "cow": "cattle, bull, calf, ox, heifer",
    "elephant": "",
    "bear": "polar bear, grizzly bear, grizzly, panda, panda bear, bear cub",
    "zebra": "",
    "giraffe": "",
    "backpack": "back pack, rucksack, knapsack, bookbag, book bag",
    "umbrella": "parasol",
    "handbag": "hand bag, purse, pocketbook, tote bag, shoulder bag",
    "tie": "necktie, neck tie, bow tie, bowtie",
    "suitcase": "suit case, luggage, baggage, briefcase",
    "frisbee": "flying disc, flying disk",
    "skis": "ski",
    "snowboard": "snow board",
    "sports ball": "ball, basketball, volleyball",
    "kite": "",
    "baseball bat": "bat",
    "baseball glove": "baseball mitt, mitt, catcher ' s mitt, catcher ' s glove",
    "skateboard": "skate board",
    "surfboard": "surf board, paddle board, paddleboard, boogie board",
    "tennis racket": "tennis racquet, racket, racquet",
    "bottle": "water bottle, wine bottle, beer bottle",
    "wine glass": "wineglass, glass of wine, glasses of wine, champagne glass, champagne flute, goblet",
    "cup": "mug, teacup, coffee cup, tumbler",
    "fork": "",
    "knife": "",
    "spoon": "teaspoon, tablespoon",
    "bowl": "",
    "banana": "",
    "apple": "",
    "sandwich": "burger, hamburger, cheeseburger, panini",
    "orange": "orange slice, orange wedge, orange half, orange peel, slice of orange, tangerine, "
    "clementine, mandarin",
    "broccoli": "",
    "carrot": "",
    "hot dog": "hotdog, chili dog, corn dog, frankfurter",
    "pizza": "",
    "donut": "doughnut",
    "cake": "cupcake, cheesecake, birthday cake, wedding cake, carrot cake",
    "chair": "armchair, arm chair, recliner, rocking chair, high chair",
    "couch": "sofa, loveseat, love seat, settee, futon",
    "potted plant": "house plant, houseplant, potted flower, potted tree",
    "bed": "bunk bed, mattress",
    "dining table": "table, desk",
    "toilet": "commode, urinal, toilet seat, toilet bowl, toilet lid, toilet tank",
    "tv": "television, tv set, television set, monitor, computer screen, flat screen",
    "laptop": "lap top, laptop computer, macbook, netbook",
    "mouse": "computer mouse",
    "remote": "remote control, remote controller, tv remote, television remote, wii remote, wiimote",
    "keyboard": "computer keyboard",
    "cell phone": "cellphone, mobile phone, smartphone, smart phone, phone, iphone",
    "microwave": "microwave oven",
    "oven": "stove, stove top, stovetop, stove top oven, toaster oven",
    "toaster": "",
    "sink": "washbasin, wash basin",
    "refrigerator": "fridge, freezer",
    "book": "textbook, cookbook, paperback, comic book",
    "clock": "alarm clock, wall clock, clock tower",
    "vase": "",
    "scissors": "scissor, pair of scissors, shears",
    "teddy bear": "teddy, stuffed bear, toy bear, plush bear, stuffed animal, stuffed toy, plush toy",
    "hair drier": "hair dryer, hairdryer, hairdrier, blow dryer, blow drier",
    "toothbrush": "tooth brush, electric toothbrush",
}
OTHERS = (
    "ball game, ball park, bear hug, bed of flowers, bed sheet, bed spread, flower bed, river bed, "
    "truck bed, bike lane, bike path, bike rack, bike trail, bicycle lane, bird bath, bird cage, "
    "bird feeder, bird house, book case, book shelf, book store, bottle cap, bottle opener, bus station, "
    "bus stop, bus lane, cake stand, car park, car seat, cat food, chair lift, ski lift, ski slope, "
    "ski resort, ski pole, ski jump, ski boot, ski mask, ski goggles, ski suit, ski trail, cowboy hat, "
    "cowboy boots, cup holder, dog food, dog house, dog park, dog collar, donut shop, horse shoe, "
    "knife block, man made, man hole, mouse pad, mickey mouse, o ' clock, oven mitt, orange juice, "
    "orange tree, apple juice, apple tree, apple pie, apple sauce, banana bread, banana leaf, "
    "banana tree, phone booth, pizza box, pizza cutter, pizza oven, remote area, remote beach, "
    "remote field, remote island, remote location, super bowl, table cloth, table lamp, table tennis, "
    "tie dye, tie dyed, toilet brush, toilet paper, toilet roll, train platform, train station, "
    "train track, truck stop, tv show, tv stand, umbrella stand, zebra crossing, zebra print"
)
"""Phrases that name none of the eighty, though a word of them does."""
YOUNG_OR_OLD = ("baby", "adult", "mother", "father")
ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")
CARRYING = "passenger"
VEHICLES = ("airplane", "bus", "train", "boat")


def coco_words() -> dict[str, list[str]]:
    """Return what COCO's things are called: a baby elephant is no person, nor is a passenger train."""
    words = {name: _split(called) for name, called in _WORDS.items()}
    for names, before in ((ANIMALS, YOUNG_OR_OLD), (VEHICLES, (CARRYING,))):
        for name in names:
            words[name] += [f"{one} {called}" for called in [name, *words[name]] for one in before]
    return words


def make_vocabulary(names: Iterable[str], words: Mapping[str, Iterable[str]] | None) -> Vocabulary:
    """Return the words for things that somebody has boxed.

    Args:
        names: Of the things, as the boxes have them; those that `words` does not know are called by these.
        words: By thing; None is COCO's, as they stand here.
    """
    called: dict[str, Iterable[str]] = dict.fromkeys(names, ())
    if words is None:
        return Vocabulary(called | coco_words(), _split(OTHERS))
    return Vocabulary(called | dict(words))


def _split(text: str) -> list[str]:
    return [phrase for phrase in text.split(", ") if phrase]
