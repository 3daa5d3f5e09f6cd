"""The little world the demo model knows: word lists and tables of facts.

Everything here is plain data.  `skills.py` turns it into questions and answers.
"""

import pathlib


def _words(text):
    return tuple(text.split())


def _pairs(text, separator=":"):
    """Parses "key: value" entries, one per line or separated by semicolons."""
    table = {}
    for entry in text.replace("\n", ";").split(";"):
        if entry.strip():
            key, value = entry.split(separator, 1)
            table[key.strip()] = value.strip()
    return table


GIRLS = _words(
    """
Anna Maria Emma Mia Lena Sara Julia Laura Sophie Clara Nina Eva Lucy Alice Grace Ella Ruby Daisy
Rosa Olga Irina Vera Yuki Mei Aisha Fatima Leila Zoe Chloe Amelie Ines Carmen Elena Sofia Hanna
Greta Ida Freya Astrid Ingrid Nora Molly Holly Hazel Iris Jane Kate Lily Mary Nancy Olivia Paula
Rachel Susan Tina Ursula Violet Wendy Amy Beth Cora Diana Esther Fiona Gina Helen Isabel Joanna
"""
)
BOYS = _words(
    """
Tom Ben Max Leo Paul Peter Jack Sam Tim Oscar Felix Noah Luca Marco Hugo Emil Anton Karl Otto Jan
Erik Lars Nils Omar Ali Hassan Kenji Hiro Wei Ravi Arjun Dev Ivan Boris Pavel Milan Niko Theo
Henry George James John David Adam Alex Andrew Bob Charlie Daniel Edward Frank Greg Harry Ian Jim
Kevin Liam Mark Nick Oliver Patrick Robert Simon Thomas Victor Walter William Bruno Carlos Diego
"""
)
NAMES = GIRLS + BOYS

COLOURS = _words("red blue green yellow black white brown orange purple pink grey")

OBJECTS = _words(
    """
ball book key cup hat box lamp kite bag coin ring spoon pencil apple cake doll drum map clock
umbrella bottle basket blanket candle scarf shoe toy flower stone letter rope bell brush plate
knife shell feather ticket jar button glove bucket mirror whistle ladder pillow violin camera
"""
)
CONTAINERS = _words("""box bag drawer basket chest cupboard bucket suitcase pocket jar""")
PLACES = _words(
    """
kitchen garden school park library forest market station museum bakery harbour castle barn office
hospital bathroom bedroom attic cellar playground tent village valley tower bank shop cafe zoo
theatre meadow
"""
)

SPEAKABLE_ANIMALS = _words(
    """
fox rabbit bear mouse owl hedgehog squirrel frog duck cat dog bird turtle deer kitten puppy lamb
"""
)
FEELINGS = _words("happy proud glad calm cheerful")
WEATHER = _words("sunny rainy windy snowy cloudy warm cold foggy")

CAPITALS = _pairs(
    """
France: Paris; Italy: Rome; Germany: Berlin; Spain: Madrid; Portugal: Lisbon; Austria: Vienna
Switzerland: Bern; Belgium: Brussels; the Netherlands: Amsterdam; Denmark: Copenhagen
Sweden: Stockholm; Norway: Oslo; Finland: Helsinki; Iceland: Reykjavik; Ireland: Dublin
the United Kingdom: London; England: London; Scotland: Edinburgh; Wales: Cardiff; Poland: Warsaw
the Czech Republic: Prague; Slovakia: Bratislava; Hungary: Budapest; Romania: Bucharest
Bulgaria: Sofia; Greece: Athens; Croatia: Zagreb; Slovenia: Ljubljana; Serbia: Belgrade
Albania: Tirana; Estonia: Tallinn; Latvia: Riga; Lithuania: Vilnius; Ukraine: Kyiv
Belarus: Minsk; Moldova: Chisinau; Russia: Moscow; Turkey: Ankara; Cyprus: Nicosia
Malta: Valletta; Luxembourg: Luxembourg City; Monaco: Monaco; Montenegro: Podgorica
North Macedonia: Skopje; Georgia: Tbilisi; Armenia: Yerevan; Azerbaijan: Baku
the United States: Washington; Canada: Ottawa; Mexico: Mexico City; Cuba: Havana
Jamaica: Kingston; Haiti: Port-au-Prince; Guatemala: Guatemala City; Honduras: Tegucigalpa
Nicaragua: Managua; Costa Rica: San Jose; Panama: Panama City; Colombia: Bogota
Venezuela: Caracas; Ecuador: Quito; Peru: Lima; Bolivia: Sucre; Chile: Santiago
Argentina: Buenos Aires; Uruguay: Montevideo; Paraguay: Asuncion; Brazil: Brasilia
Guyana: Georgetown; Suriname: Paramaribo; the Bahamas: Nassau; Barbados: Bridgetown
China: Beijing; Japan: Tokyo; South Korea: Seoul; North Korea: Pyongyang; Mongolia: Ulaanbaatar
India: New Delhi; Pakistan: Islamabad; Bangladesh: Dhaka; Nepal: Kathmandu; Bhutan: Thimphu
Thailand: Bangkok; Vietnam: Hanoi; Laos: Vientiane; Cambodia: Phnom Penh
Malaysia: Kuala Lumpur; Singapore: Singapore; Indonesia: Jakarta; the Philippines: Manila
Kazakhstan: Astana; Uzbekistan: Tashkent; Turkmenistan: Ashgabat; Kyrgyzstan: Bishkek
Tajikistan: Dushanbe; Afghanistan: Kabul; Iran: Tehran; Iraq: Baghdad; Syria: Damascus
Lebanon: Beirut; Jordan: Amman; Saudi Arabia: Riyadh; Yemen: Sanaa; Oman: Muscat
Qatar: Doha; Kuwait: Kuwait City; the United Arab Emirates: Abu Dhabi; Bahrain: Manama
Egypt: Cairo; Libya: Tripoli; Tunisia: Tunis; Algeria: Algiers; Morocco: Rabat; Sudan: Khartoum
Ethiopia: Addis Ababa; Kenya: Nairobi; Uganda: Kampala; Tanzania: Dodoma; Rwanda: Kigali
Somalia: Mogadishu; Nigeria: Abuja; Ghana: Accra; Senegal: Dakar; Mali: Bamako; Niger: Niamey
Chad: N'Djamena; Cameroon: Yaounde; Gabon: Libreville; Angola: Luanda; Zambia: Lusaka
Zimbabwe: Harare; Mozambique: Maputo; Botswana: Gaborone; Namibia: Windhoek
South Africa: Pretoria; Madagascar: Antananarivo; Liberia: Monrovia; Sierra Leone: Freetown
Australia: Canberra; New Zealand: Wellington; Fiji: Suva; Papua New Guinea: Port Moresby
"""
)

_CONTINENT_MEMBERS = {
    "Europe": """France; Italy; Germany; Spain; Portugal; Austria; Switzerland; Belgium;
        the Netherlands; Denmark; Sweden; Norway; Finland; Iceland; Ireland; the United Kingdom;
        England; Scotland; Wales; Poland; the Czech Republic; Slovakia; Hungary; Romania; Bulgaria;
        Greece; Croatia; Slovenia; Serbia; Albania; Estonia; Latvia; Lithuania; Ukraine; Belarus;
        Moldova; Malta; Luxembourg; Monaco; Montenegro; North Macedonia""",
    "North America": """the United States; Canada; Mexico; Cuba; Jamaica; Haiti; Guatemala;
        Honduras; Nicaragua; Costa Rica; Panama; the Bahamas; Barbados""",
    "South America": """Colombia; Venezuela; Ecuador; Peru; Bolivia; Chile; Argentina; Uruguay;
        Paraguay; Brazil; Guyana; Suriname""",
    "Asia": """China; Japan; South Korea; North Korea; Mongolia; India; Pakistan; Bangladesh;
        Nepal; Bhutan; Thailand; Vietnam; Laos; Cambodia; Malaysia; Singapore;
        Indonesia; the Philippines; Kazakhstan; Uzbekistan; Turkmenistan; Kyrgyzstan; Tajikistan;
        Afghanistan; Iran; Iraq; Syria; Lebanon; Jordan; Saudi Arabia; Yemen; Oman; Qatar; Kuwait;
        the United Arab Emirates; Bahrain""",
    "Africa": """Egypt; Libya; Tunisia; Algeria; Morocco; Sudan; Ethiopia; Kenya; Uganda; Tanzania;
        Rwanda; Somalia; Nigeria; Ghana; Senegal; Mali; Niger; Chad; Cameroon; Gabon; Angola;
        Zambia; Zimbabwe; Mozambique; Botswana; Namibia; South Africa; Madagascar; Liberia;
        Sierra Leone""",
    "Oceania": "Australia; New Zealand; Fiji; Papua New Guinea",
}
CONTINENTS = {
    country.strip(): continent
    for continent, members in _CONTINENT_MEMBERS.items()
    for country in members.replace("\n", " ").split(";")
}
CONTINENTS = {" ".join(country.split()): continent for country, continent in CONTINENTS.items()}

LANGUAGES = _pairs(
    """
France: French; Italy: Italian; Germany: German; Spain: Spanish; Portugal: Portuguese
Austria: German; the Netherlands: Dutch; Denmark: Danish; Sweden: Swedish; Norway: Norwegian
Finland: Finnish; Iceland: Icelandic; the United Kingdom: English; England: English
Poland: Polish; the Czech Republic: Czech; Slovakia: Slovak; Hungary: Hungarian
Romania: Romanian; Bulgaria: Bulgarian; Greece: Greek; Croatia: Croatian; Slovenia: Slovene
Serbia: Serbian; Albania: Albanian; Estonia: Estonian; Latvia: Latvian; Lithuania: Lithuanian
Ukraine: Ukrainian; Russia: Russian; Turkey: Turkish; Georgia: Georgian; Armenia: Armenian
the United States: English; Mexico: Spanish; Cuba: Spanish; Colombia: Spanish; Peru: Spanish
Chile: Spanish; Argentina: Spanish; Brazil: Portuguese; China: Chinese; Japan: Japanese
South Korea: Korean; Thailand: Thai; Vietnam: Vietnamese; Nepal: Nepali; Mongolia: Mongolian
Egypt: Arabic; Morocco: Arabic; Saudi Arabia: Arabic; Iran: Persian; Australia: English
New Zealand: English; Jamaica: English; Bangladesh: Bengali
"""
)

ANIMAL_SOUNDS = _pairs(
    """
dog: woof; cat: meow; cow: moo; sheep: baa; pig: oink; duck: quack; horse: neigh; rooster: cock-a-doodle-doo
hen: cluck; frog: ribbit; owl: hoot; lion: roar; bee: buzz; snake: hiss; mouse: squeak; wolf: howl
donkey: hee-haw; goose: honk; crow: caw; bird: tweet; dove: coo; turkey: gobble; goat: maa
bear: growl; elephant: trumpet; cricket: chirp; monkey: ooh-ooh; tiger: roar; chick: peep
"""
)
ANIMAL_YOUNG = _pairs(
    """
dog: puppy; cat: kitten; cow: calf; sheep: lamb; pig: piglet; duck: duckling; horse: foal
hen: chick; frog: tadpole; owl: owlet; lion: cub; bear: cub; wolf: pup; goose: gosling; deer: fawn
goat: kid; kangaroo: joey; elephant: calf; fox: cub; tiger: cub; swan: cygnet; eagle: eaglet
butterfly: caterpillar; whale: calf; seal: pup; rabbit: kit; giraffe: calf; donkey: foal; hare: leveret
"""
)
ANIMAL_LEGS = {
    animal: count
    for count, animals in (
        (
            "four",
            "dog cat cow sheep pig horse frog lion mouse wolf donkey goat bear elephant tiger deer "
            "fox rabbit giraffe camel zebra turtle squirrel hedgehog lizard crocodile",
        ),
        ("two", "duck hen rooster owl goose crow bird turkey penguin ostrich eagle swan parrot stork"),
        ("six", "bee ant fly butterfly beetle ladybird cricket mosquito wasp"),
        ("eight", "spider scorpion tick"),
        ("no", "snake fish worm snail whale shark dolphin eel"),
    )
    for animal in animals.split()
}
ANIMAL_HOMES = _pairs(
    """
camel: in the desert; penguin: in the cold south; whale: in the sea; shark: in the sea
dolphin: in the sea; cow: on a farm; pig: on a farm; hen: on a farm; horse: on a farm; sheep: on a farm
monkey: in the jungle; tiger: in the jungle; parrot: in the jungle; lion: in the savanna
zebra: in the savanna; giraffe: in the savanna; elephant: in the savanna; bear: in the forest
fox: in the forest; deer: in the forest; owl: in the forest; wolf: in the forest
squirrel: in a tree; bird: in a nest; bee: in a hive; spider: in a web; mouse: in a hole
rabbit: in a burrow; mole: under the ground; worm: under the ground; frog: in a pond
fish: in the water; polar bear: in the Arctic; kangaroo: in Australia; koala: in Australia
dog: in a house with people; cat: in a house with people; crab: on the beach; eagle: in the mountains
"""
)
ANIMAL_FOOD = _pairs(
    """
cow: grass; horse: hay; rabbit: carrots; mouse: cheese; cat: fish; dog: meat; monkey: bananas
bear: honey; panda: bamboo; squirrel: nuts; frog: flies; bird: seeds; lion: meat; sheep: grass
giraffe: leaves; hen: corn; penguin: fish; wolf: meat; goat: grass; koala: leaves; spider: flies
owl: mice; seal: fish; bee: nectar; elephant: leaves; zebra: grass; pig: almost everything; snake: mice
"""
)
# From small to large, so that any two can be compared.
ANIMALS_BY_SIZE = _words(
    """
ant fly bee spider mouse frog squirrel rabbit cat fox sheep wolf lion horse giraffe elephant whale
"""
)

THING_COLOURS = _pairs(
    """
the sky: blue; the sea: blue; grass: green; snow: white; milk: white; blood: red; the sun: yellow
a banana: yellow; a lemon: yellow; a strawberry: red; a tomato: red; a carrot: orange; a pumpkin: orange
an orange: orange; a cucumber: green; a frog: green; a leaf: green; coal: black; a crow: black
chocolate: brown; a bear: brown; an elephant: grey; a mouse: grey; a pig: pink; a flamingo: pink
a swan: white; salt: white; sugar: white; a cherry: red; a fire engine: red; a plum: purple
an aubergine: purple; butter: yellow; honey: golden; gold: golden; silver: silver; the night: black
a cloud: white; an egg: white; a polar bear: white; a fox: orange; broccoli: green; spinach: green
a lime: green; a blueberry: blue; coffee: brown; bread: brown; wood: brown; ice: clear; a raven: black
a stop sign: red; a chick: yellow; rice: white; paper: white; a rose: red; a pea: green
"""
)

OPPOSITES_ONE_WAY = _pairs(
    """
hot: cold; big: small; tall: short; fast: slow; happy: sad; good: bad; old: young; up: down
left: right; in: out; day: night; light: dark; open: closed; full: empty; wet: dry; hard: soft
early: late; loud: quiet; rich: poor; strong: weak; clean: dirty; thick: thin; high: low; long: short
near: far; first: last; begin: end; start: stop; buy: sell; give: take; push: pull; win: lose
love: hate; true: false; yes: no; always: never; black: white; north: south; east: west; front: back
top: bottom; inside: outside; above: below; before: after; hello: goodbye; summer: winter
morning: evening; boy: girl; man: woman; king: queen; brother: sister; mother: father; friend: enemy
war: peace; life: death; question: answer; easy: difficult; cheap: expensive; safe: dangerous
brave: afraid; wide: narrow; deep: shallow; heavy: light; sweet: sour; smooth: rough; sharp: blunt
awake: asleep; alive: dead; laugh: cry; remember: forget; arrive: leave; accept: refuse; polite: rude
lazy: hard-working; clever: stupid; same: different; many: few; more: less; everything: nothing
everybody: nobody; male: female; plus: minus; even: odd; heaven: hell; host: guest; teacher: pupil
"""
)
OPPOSITES = dict(OPPOSITES_ONE_WAY)
for _word, _opposite in OPPOSITES_ONE_WAY.items():
    OPPOSITES.setdefault(_opposite, _word)

PLURALS = _pairs(
    """
mouse: mice; child: children; man: men; woman: women; foot: feet; tooth: teeth; goose: geese
person: people; ox: oxen; leaf: leaves; knife: knives; wolf: wolves; life: lives; wife: wives
shelf: shelves; half: halves; sheep: sheep; fish: fish; deer: deer; city: cities; baby: babies
story: stories; lady: ladies; fly: flies; box: boxes; fox: foxes; bus: buses; glass: glasses
dish: dishes; watch: watches; church: churches; potato: potatoes; tomato: tomatoes; hero: heroes
cat: cats; dog: dogs; house: houses; book: books; tree: trees; car: cars; day: days; boy: boys
key: keys; toy: toys; apple: apples; egg: eggs; hat: hats; cup: cups; star: stars; bird: birds
"""
)
PAST_TENSES = _pairs(
    """
go: went; come: came; see: saw; eat: ate; drink: drank; sing: sang; swim: swam; run: ran; begin: began
give: gave; take: took; make: made; have: had; be: was; do: did; say: said; tell: told; think: thought
buy: bought; bring: brought; catch: caught; teach: taught; find: found; write: wrote; read: read
speak: spoke; break: broke; drive: drove; ride: rode; fly: flew; grow: grew; know: knew; throw: threw
sleep: slept; keep: kept; leave: left; feel: felt; meet: met; sit: sat; stand: stood; win: won
lose: lost; sell: sold; send: sent; build: built; hear: heard; fall: fell; get: got; forget: forgot
walk: walked; talk: talked; play: played; jump: jumped; help: helped; open: opened; look: looked
ask: asked; call: called; work: worked; laugh: laughed; cry: cried; dance: danced; love: loved
"""
)

CATEGORIES = {
    thing: kind
    for kind, things in (
        (
            "fruit",
            "apple banana pear orange lemon cherry plum grape peach strawberry mango kiwi melon pineapple",
        ),
        ("vegetable", "carrot potato onion cabbage cucumber leek turnip radish lettuce bean pea"),
        (
            "animal",
            "dog cat cow horse sheep lion tiger elephant mouse rabbit fox wolf bear goat monkey giraffe "
            "frog whale camel zebra deer squirrel hedgehog turtle",
        ),
        ("bird", "owl eagle crow parrot penguin duck goose swan stork sparrow"),
        ("colour", "red blue green yellow black white brown purple pink"),
        ("tool", "hammer saw screwdriver drill axe shovel rake"),
        ("musical instrument", "piano guitar violin flute drum trumpet harp cello"),
        ("piece of furniture", "table chair bed sofa desk wardrobe shelf"),
        ("piece of clothing", "shirt coat hat dress sock glove scarf jacket sweater"),
        ("vehicle", "car bus train bicycle truck tram motorbike"),
        ("drink", "water tea coffee juice milk lemonade"),
        ("flower", "rose tulip daisy lily sunflower violet"),
        ("tree", "oak pine birch maple willow"),
        ("metal", "gold silver iron copper tin"),
        ("month", "January February March April May June July August September October November December"),
        ("day of the week", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        ("sport", "football tennis basketball swimming hockey rugby"),
        ("planet", "Mars Venus Jupiter Saturn Neptune"),
    )
    for thing in things.split()
}
MASS_NOUNS = frozenset(
    _words(
        """
red blue green yellow black white brown purple pink water tea coffee juice milk lemonade gold silver
iron copper tin January February March April May June July August September October November December
Monday Tuesday Wednesday Thursday Friday Saturday Sunday football tennis basketball swimming hockey
rugby Mars Venus Jupiter Saturn Neptune lettuce
"""
    )
)

JOBS = _pairs(
    """
baker: bakes bread; teacher: teaches children; doctor: helps sick people; farmer: grows food
cook: prepares meals; pilot: flies planes; driver: drives cars; painter: paints pictures
singer: sings songs; writer: writes books; gardener: looks after gardens; carpenter: builds things from wood
tailor: makes clothes; fisherman: catches fish; dentist: looks after teeth; nurse: cares for patients
firefighter: puts out fires; postman: brings letters; butcher: sells meat; hairdresser: cuts hair
musician: plays music; sailor: sails ships; astronaut: flies into space; vet: treats animals
librarian: looks after books; programmer: writes programs; plumber: repairs pipes; judge: decides in court
dancer: dances on a stage; miner: works under the ground; photographer: takes photos; waiter: serves food
"""
)
USES = _pairs(
    """
knife: cutting; pen: writing; pencil: drawing; key: opening doors; lamp: giving light; bed: sleeping
chair: sitting; spoon: eating soup; cup: drinking; umbrella: staying dry in the rain; clock: telling the time
book: reading; phone: calling people; car: driving; bicycle: riding; soap: washing; towel: drying
broom: sweeping; hammer: hitting nails; saw: cutting wood; needle: sewing; scissors: cutting paper
oven: baking; fridge: keeping food cold; camera: taking photos; mirror: looking at yourself
ladder: climbing; map: finding the way; comb: combing hair; toothbrush: brushing teeth; glasses: seeing better
boat: travelling on water; plane: flying; bag: carrying things; blanket: keeping warm; telescope: looking at the stars
"""
)

DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words(
    """January February March April May June July August September October November
December"""
)
MONTH_LENGTHS = dict(
    zip(MONTHS, ("31", "28 or 29", "31", "30", "31", "30", "31", "31", "30", "31", "30", "31"))
)
SEASONS = {
    month: season
    for season, months in (
        ("winter", "December January February"),
        ("spring", "March April May"),
        ("summer", "June July August"),
        ("autumn", "September October November"),
    )
    for month in months.split()
}
ORDINALS = _words(
    """first second third fourth fifth sixth seventh eighth ninth tenth eleventh
twelfth"""
)
PLANETS = _words("Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune")
SHAPES = _pairs(
    "triangle: three; square: four; rectangle: four; pentagon: five; hexagon: six; "
    "heptagon: seven; octagon: eight; circle: no"
)
UNITS = _pairs(
    """
seconds in a minute: 60; minutes in an hour: 60; hours in a day: 24; days in a week: 7
weeks in a year: 52; months in a year: 12; days in a year: 365; years in a decade: 10
years in a century: 100; years in a millennium: 1000; centimetres in a metre: 100; metres in a kilometre: 1000
millimetres in a centimetre: 10; grams in a kilogram: 1000; kilograms in a tonne: 1000; cents in a euro: 100
cents in a dollar: 100; pieces in a dozen: 12; days in a weekend: 2; seasons in a year: 4
letters in the alphabet: 26; planets in the solar system: 8; bits in a byte: 8; hours in half a day: 12
minutes in half an hour: 30; players in a football team: 11; strings on a violin: 4; cards in a deck: 52
threads in a warp: 32
"""
)
RHYMES = _pairs(
    """
cat: hat; dog: frog; house: mouse; tree: bee; star: car; cake: lake; moon: spoon; ball: wall; fish: dish
bear: chair; boat: goat; ring: king; book: cook; hand: sand; snow: toe; light: night; rain: train
bell: shell; fox: box; sun: run; bed: red; day: play; pen: ten; nose: rose; sheep: sleep; fly: sky
feet: street; kite: white; duck: truck; pig: wig; tall: small; cold: gold; blue: shoe; bread: head
"""
)

ONES = _words(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen"""
)
TENS = _words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")

# Words for spelling, reversing and sorting, besides those of the tables above.
EXTRA_WORDS = _words(
    """
about above again almost alone along already always among angel animal answer anyone arm arrow
autumn baby bacon balloon band bank bath battle beach beard beauty bench berry bird blood board boat
body bone boot bottom bowl brain branch brave bread breakfast brick bridge bright broken bubble
building butter button cabin candle candy captain card carpet castle cave center chain chalk change
cheese cherry child chin church circle city class clean clever climb cloth cloud coast coat coffee
cold colour cook copper corn corner cotton country cousin cow crab cream crown curtain dance danger
dark daughter dear deep desert dinner dirt dish doctor dollar door dragon drawer dream dress drink
drop dust eagle early earth east edge eight elbow empty engine evening every expert fabric face
family fancy farm father feast field fifty finger finish fire flag flame floor flour follow food
foot forest fork forty fresh friend front frost fruit funny future garden gate gentle ghost giant
glad glass gold grain grand grape grass great green ground group guest guitar hair half hammer hand
happy heart heavy hello hill history hole holiday home honest honey hope horse hotel hour house
human hundred hungry hurry ice idea island jacket jelly jewel join joke juice jump jungle just
kernel king kiss kitchen kite knee knife lady lake lamp land language large laugh leaf leather left
lemon lesson letter level light lion list little local lock long lucky lunch machine magic magnet
matrix meadow meal meat melody memory metal middle milk mind minute mirror model moment money month
moon morning mother mountain mouth music nail name nature neck needle neighbour nest night noise
north nose number ocean office onion open orange order oven owner paint palace paper parent park
party path peace pencil people pepper person phone piano picture pillow pilot pirate planet plant
plastic player pocket poem point pond pony potato power prince prize puzzle queen question quick
quiet rabbit radio rain rainbow ready recipe ribbon rice rich right river road robot rocket roof
room root rose round router royal ruler salad salt sand school science season second secret seed
seven shadow shape sheep shelf ship shirt shop short shoulder silence silver simple singer sister
skin sky sleep small smile smoke snake snow soap soft soldier song soup south space spider spirit
spoon spring square stair star station steel stone storm story straw strawberry street string
student sugar summer sun sunset surprise sweet table tail tale teacher team tent thread thunder
tiger time tiny toast today token tomato tooth tower town toy trade train travel treasure tree
trip trumpet truth turtle uncle valley vector velvet village voice wagon walk wall warm warp water
wave weather week weight west whale wheat wheel wide wind window winter wise wolf woman wonder wood
wool word world worm writer year yellow young zebra zero
"""
)
SPELLING_WORDS = tuple(
    sorted(
        set(EXTRA_WORDS)
        | set(OBJECTS)
        | set(PLACES)
        | set(COLOURS)
        | set(SPEAKABLE_ANIMALS)
        | {
            word
            for table in (ANIMAL_SOUNDS, ANIMAL_YOUNG, OPPOSITES_ONE_WAY, CATEGORIES, JOBS)
            for word in table
            if word.isalpha() and word.islower()
        }
    )
)
SORTING_WORDS = tuple(word for word in SPELLING_WORDS if 3 <= len(word) <= 8)


def load_fixed_dialogues(name):
    """Reads texts/NAME.txt: blocks of "question | question", answers, and "= short answer".

    Returns a list of (questions, answers, short answer or None).
    """
    path = pathlib.Path(__file__).with_name("texts") / (name + ".txt")
    dialogues = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.splitlines()
        questions = tuple(lines[0].split(" | "))
        answers = tuple(line for line in lines[1:] if not line.startswith("= "))
        short = next((line[2:] for line in lines[1:] if line.startswith("= ")), None)
        dialogues.append((questions, answers, short))
    return dialogues


KNOWLEDGE = load_fixed_dialogues("knowledge")
ABOUT = load_fixed_dialogues("about")
SMALL_TALK = load_fixed_dialogues("small_talk")

# Real things outside the model's world: it must say that it does not know them.
UNKNOWN_PLACES = tuple(
    " ".join(name.split())
    for name in """
Texas; California; Florida; Bavaria; Hawaii; Greenland; Catalonia; Sicily; Narnia; Atlantis; Mordor; Gondor; Alaska;
Tuscany; Siberia; Tibet; Quebec; Ontario; Bali; Crete; Corsica; Normandy; Provence; Burgundy; Saxony; Tyrol; Lapland;
Utopia; Oz; Wonderland; Westeros; Hogwarts; Gotham; Nevada; Ohio; Utah; Arizona; Oregon; Kansas; Virginia; Georgia State;
Somewhereland; Middle-earth; Aruba; Guam; Hong Kong; Taiwan; Macau; Gibraltar; Bermuda; Togo; Benin; Malawi; Lesotho;
Burundi; Eritrea; Djibouti; Gambia; Guinea; Tonga; Samoa; Palau; Kiribati; Vanuatu; Belize; Dominica; Grenada
""".replace(
        "\n", " "
    ).split(
        ";"
    )
)
UNKNOWN_ANIMALS = _words(
    """
platypus axolotl hamster lemur walrus otter badger raccoon skunk jaguar lynx tapir yak llama alpaca moose bison
hippo rhino gorilla newt salamander toad oyster squid octopus jellyfish starfish lobster pelican heron flamingo
dragon unicorn griffin yeti dinosaur mammoth weasel ferret mongoose meerkat hyena gazelle antelope iguana chameleon
"""
)
