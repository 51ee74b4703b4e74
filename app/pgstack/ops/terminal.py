"""What a terminal is shown."""


def shown(text: str) -> str:
    """What servers and projects have said, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
