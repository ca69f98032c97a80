"""Words for the synthetic catalogue.

The reward can recognise all option values: none contains a colour inside another word, as `titanium` contains
`tan`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of product, with the words to make such products from."""

    category: str
    path: str
    """Names of categories from the widest to the narrowest, joined by `›`."""
    query: str
    heads: tuple[str, ...]
    """Names for the product, consisting of nouns only."""
    materials: tuple[str, ...]
    """Names of materials, consisting of nouns only."""
    attributes: tuple[str, ...]
    options: dict[str, tuple[str, ...]]
    prices: tuple[int, int]
    """Lowest and highest price in whole dollars."""


_BRANDS = (
    "Alderway Bramblefox Corvenna Duskline Elmstead Farrowby Glenmoor Harrowgate Ivorden Juniper-Row "
    "Kestrelle Lumarick Marlowe Northquay Ostravia Pellworth Quillon Rosemund Sandrick Tallowmere "
    "Umberley Vantrose Westbrae Yarrowdale Zephyrine"
)
BRANDS = tuple(_BRANDS.split())

_COLORS = (
    "black",
    "white",
    "navy blue",
    "red",
    "dark green",
    "gray",
    "yellow",
    "purple",
    "pink",
    "light brown",
)
_CLOTHES_SIZES = ("small", "medium", "large", "x-large", "xx-large")
_PACKS = ("1 pack", "2 pack", "4 pack", "6 pack")

KINDS = (
    Kind(
        category="garden",
        path="Home & Kitchen › Furniture › Living Room Furniture › Tables",
        query="console tables",
        heads=("Console Table", "Sofa Table", "Entryway Table"),
        materials=("Oak", "Pine", "Bamboo", "Metal", "Glass"),
        attributes=(
            "easy assembly",
            "solid wood",
            "space saving",
            "storage shelf",
            "water resistant",
            "heavy duty",
        ),
        options={"color": _COLORS, "size": ("32 inch", "40 inch", "48 inch", "60 inch")},
        prices=(45, 290),
    ),
    Kind(
        category="garden",
        path="Home & Kitchen › Bedding › Decorative Pillows, Inserts & Covers › Throw Pillow Covers",
        query="decorative pillows",
        heads=("Throw Pillow Cover", "Cushion Cover", "Pillow Case"),
        materials=("Cotton", "Linen", "Velvet", "Chenille"),
        attributes=(
            "machine washable",
            "super soft",
            "double sided",
            "hidden zipper",
            "living room",
            "eco friendly",
        ),
        options={"color": _COLORS, "size": ("16 x 16", "18 x 18", "20 x 20", "24 x 24")},
        prices=(8, 45),
    ),
    Kind(
        category="garden",
        path="Home & Kitchen › Lighting & Ceiling Fans › Lamps & Shades › Desk Lamps",
        query="desk lamps",
        heads=("Desk Lamp", "Reading Lamp", "Office Light"),
        materials=("Aluminum", "Brass", "Ceramic", "Wood"),
        attributes=(
            "energy efficient",
            "dimmable light",
            "usb port",
            "touch control",
            "eye protection",
            "easy install",
        ),
        options={"color": _COLORS, "style": ("clip on", "floor base", "table base")},
        prices=(15, 95),
    ),
    Kind(
        category="fashion",
        path="Clothing, Shoes & Jewelry › Men › Clothing › Shirts › T-Shirts",
        query="men's t-shirts",
        heads=("Men T-Shirt", "Men Tee", "Men Undershirt"),
        materials=("Cotton", "Jersey", "Polyester", "Hemp"),
        attributes=(
            "machine wash",
            "short sleeve",
            "crew neck",
            "slim fit",
            "moisture wicking",
            "classic fit",
        ),
        options={"color": _COLORS, "size": _CLOTHES_SIZES},
        prices=(9, 48),
    ),
    Kind(
        category="fashion",
        path="Clothing, Shoes & Jewelry › Women › Clothing › Dresses › Casual",
        query="women's dresses",
        heads=("Women Dress", "Women Sundress", "Women Gown"),
        materials=("Cotton", "Satin", "Chiffon", "Denim"),
        attributes=("hand wash", "long sleeve", "elastic waist", "v neck", "button closure", "daily wear"),
        options={"color": _COLORS, "size": _CLOTHES_SIZES},
        prices=(18, 120),
    ),
    Kind(
        category="fashion",
        path="Clothing, Shoes & Jewelry › Men › Shoes › Loafers & Slip-Ons",
        query="men's loafers & slip-ons",
        heads=("Men Loafer", "Men Slipper", "Men Moccasin"),
        materials=("Leather", "Suede", "Canvas", "Rubber"),
        attributes=("non slip", "memory foam", "rubber sole", "arch support", "quick drying", "hand sewn"),
        options={"color": _COLORS, "size": ("7.5", "8", "8.5", "9", "10", "10.5", "11")},
        prices=(22, 140),
    ),
    Kind(
        category="beauty",
        path="Beauty & Personal Care › Hair Care › Shampoo & Conditioner › Shampoos",
        query="shampoo & conditioner",
        heads=("Shampoo", "Conditioner", "Hair Wash"),
        materials=("Argan Oil", "Coconut Milk", "Keratin", "Aloe"),
        attributes=(
            "sulfate free",
            "paraben free",
            "damaged hair",
            "cruelty free",
            "dry hair",
            "hair growth",
        ),
        options={
            "scent": ("lavender", "jasmine", "citrus", "mint"),
            "size": ("4 fl oz", "8 fl oz", "12 fl oz"),
        },
        prices=(7, 42),
    ),
    Kind(
        category="beauty",
        path="Beauty & Personal Care › Skin Care › Face › Creams & Moisturizers",
        query="face creams",
        heads=("Face Cream", "Night Cream", "Face Lotion"),
        materials=("Collagen", "Retinol", "Shea Butter", "Honey"),
        attributes=(
            "anti aging",
            "fragrance free",
            "sensitive skin",
            "dark circles",
            "fine lines",
            "oil free",
        ),
        options={"size": ("1 ounce", "2 ounce", "4 ounce"), "count": _PACKS},
        prices=(10, 75),
    ),
    Kind(
        category="electronics",
        path="Electronics › Headphones › Earbud Headphones › In-Ear",
        query="earbud headphones",
        heads=("Earbuds", "Headphones", "Earphones"),
        materials=("Silicone", "Titan Shell", "Carbon", "Foam"),
        attributes=(
            "noise cancelling",
            "fast charging",
            "hands free",
            "long lasting",
            "stereo sound",
            "high definition",
        ),
        options={"color": _COLORS, "style": ("corded", "wireless", "neckband")},
        prices=(14, 190),
    ),
    Kind(
        category="electronics",
        path="Electronics › Accessories & Supplies › Audio & Video Accessories › Cables",
        query="video cables",
        heads=("Video Cable", "Adapter Cable", "Extension Cord"),
        materials=("Copper", "Nylon", "Aluminum", "Fiber"),
        attributes=("gold plated", "high speed", "plug play", "heat resistant", "usb c", "braided cord"),
        options={"length": ("3 feet", "6 feet", "10 feet", "15 feet"), "count": _PACKS},
        prices=(6, 40),
    ),
    Kind(
        category="grocery",
        path="Grocery & Gourmet Food › Snack Foods › Snack Bars › Granola & Trail Mix Bars",
        query="granola & snack bars",
        heads=("Granola Bar", "Snack Bar", "Oat Bar"),
        materials=("Almond", "Honey", "Cocoa", "Cashew"),
        attributes=("gluten free", "non gmo", "low sugar", "high protein", "plant based", "dairy free"),
        options={
            "flavor": ("peanut butter", "cherry", "apple", "maple"),
            "count": ("6 count", "12 count", "24 count"),
        },
        prices=(5, 38),
    ),
    Kind(
        category="grocery",
        path="Grocery & Gourmet Food › Beverages › Tea › Herbal",
        query="herbal tea",
        heads=("Herbal Tea", "Tea Bags", "Tea Blend"),
        materials=("Ginger", "Hibiscus", "Rooibos", "Fennel"),
        attributes=(
            "caffeine free",
            "certified organic",
            "sugar free",
            "individually wrapped",
            "kosher certified",
            "non gmo",
        ),
        options={
            "flavor": ("chamomile", "ginger", "berry", "vanilla"),
            "count": ("20 count", "40 count", "100 count"),
        },
        prices=(4, 30),
    ),
)
