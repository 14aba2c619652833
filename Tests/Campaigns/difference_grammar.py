"""Random statements for difference.py.

Statements are templates: where a value belongs stands a mark with its type, so that one template can be written with
several values and with parameters. Whatever is left to PostgreSQL (ties of an order, which row of a join an UPDATE takes)
is not asked for, so that there is one right answer.
"""

from difference_items import Items


class Grammar(Items):
    # Cursors

    def movements(self, is_scroll):
        """FETCH, MOVE of a cursor `c`, one after another."""
        forward = ["NEXT", "FORWARD", "", "ALL", "FORWARD ALL", "1", "2", "3", "7", "FORWARD 2", "FORWARD 5", "RELATIVE 1"]
        back = ["PRIOR", "BACKWARD", "BACKWARD ALL", "BACKWARD 2", "-1", "-3", "FIRST", "LAST", "ABSOLUTE 1", "ABSOLUTE 4", "ABSOLUTE -2", "ABSOLUTE 0",
                "0", "RELATIVE 0", "FORWARD 0", "RELATIVE -1", "RELATIVE -2", "RELATIVE 3", "BACKWARD 0", "ABSOLUTE 100", "RELATIVE -100"]
        for _ in range(self.random.randint(1, 7)):
            movement = self.random.choice(forward + back if is_scroll else forward)
            yield f"{self.choose('FETCH', 'FETCH', 'FETCH', 'MOVE')} {movement} {self.choose('FROM', 'IN', '') if movement else ''} c"

    def declaration(self):
        """(words before FOR, may it go back)."""
        is_scroll = self.chance(0.5)
        scroll = "SCROLL " if is_scroll else self.choose("", "NO SCROLL ", "INSENSITIVE ", "ASENSITIVE ")
        return f"DECLARE c {self.choose('', '', 'BINARY ')}{scroll}CURSOR {self.choose('', '', 'WITH HOLD ', 'WITHOUT HOLD ')}FOR ", is_scroll

    def copy_options(self):
        return self.choose("", "", " WITH (FORMAT csv, HEADER)", " (FORMAT csv, NULL 'none', FORCE_QUOTE *)", " WITH (FORMAT binary)",
                           " (FORMAT text, DELIMITER '|', NULL '-')", " CSV HEADER")
