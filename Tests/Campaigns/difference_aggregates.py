"""Random calls of aggregates and window functions for difference.py."""

from difference_sources import Sources
from difference_tables import MARK, mark


class Aggregates(Sources):
    def aggregate(self, scope):
        """(text, type) of a call of an aggregate."""
        e = lambda kind: self.column(kind, scope) or self.expression(kind, scope, 1)
        kind = self.choose("int", "num", "flt", "txt", "big", "date", "tz", "mood")
        number = self.choose("int", "num", "flt", "big")
        once = e(kind)
        unique = MARK.search(once) is None
        # Of whole numbers, since the correlation of a number with one that is always 0.01 is whatever its rounding is in the rows' order.
        correlation = f"corr(floor({e('flt')}), floor({e('flt')}))"
        options = [
            ("count(*)", "big"), (f"count({e(kind)})", "big"), (f"count(DISTINCT {e(kind)})", "big"), (f"min({e(kind)})", kind), (f"max({e(kind)})", kind),
            (f"sum({e('int')})", "big"), (f"sum({e('num')})", "num"), (f"sum({e('flt')})", "flt"), (f"sum({e('big')})", "num"),
            (f"avg({e('int')})", "num"), (f"avg({e('num')})", "num"), (f"avg({e('flt')})", "stat"), (f"bool_and({e('bool')})", "bool"),
            (f"bool_or({e('bool')})", "bool"), (f"{self.choose('stddev', 'var_pop', 'variance', 'stddev_pop')}({e('num')})", "num"),
            (f"{self.choose('stddev', 'var_samp')}({e('flt')})", "stat"), (f"sum(DISTINCT {e('int')})", "big"), (f"avg(DISTINCT {e('num')})", "num"),
            (f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {e('flt')})", "stat"), (f"percentile_disc(0.3) WITHIN GROUP (ORDER BY {e(kind)})", kind),
            (f"mode() WITHIN GROUP (ORDER BY {e(kind)} DESC)", kind), (correlation, "stat"), (f"bit_or({e('int')})", "int"),
            (f"rank({mark('int')}) WITHIN GROUP (ORDER BY {e('int')})", "big"), (f"regr_count({e('flt')}, {e('flt')})", "big"),
            (f"string_agg(DISTINCT {e('txt')}, ',')", "txt"), (f"array_agg(DISTINCT {e('int')})", "arr"), (f"every({e('bool')})", "bool"),
        ]
        # Binary arrays of users' types hold OIDs.
        if unique and kind != "mood":
            options += [(f"array_agg({once} ORDER BY {once} {self.choose('DESC', 'NULLS FIRST', '')})", "arr" if kind == "int" else "other"),
                        (f"jsonb_agg({once} ORDER BY {once})", "json"), (f"string_agg({once}::text, '|' ORDER BY {once}::text)", "txt")]
        text, result = self.random.choice(options)
        if self.chance(0.2):
            text += f" FILTER (WHERE {self.predicate(scope, 1 if self.chance(0.2) else 0)})"
        return text, result

    def window(self, scope):
        e = lambda kind: self.column(kind, scope) or self.expression(kind, scope, 1)
        usable = [text for text, kind in scope if kind not in ("stat", "other")]
        keys = [text for text in usable if text.endswith(("user_id", "word"))]
        partition = self.random.choice(keys) if keys and self.chance(0.5) else self.random.choice(usable)
        over = f"PARTITION BY {partition} " if self.chance(0.75) else ""
        total = f"ORDER BY {self.random.choice(usable)} {self.choose('', 'DESC', 'NULLS FIRST')}, {', '.join(usable)}"
        peers = self.choose("", f"ORDER BY {self.random.choice(usable)} {self.choose('', 'DESC')}")
        kind = self.choose("int", "num", "txt", "date")
        text, result, order = self.random.choice([
            ("row_number()", "big", total), ("rank()", "big", peers), ("dense_rank()", "big", peers), (f"sum({e('int')})", "big", peers),
            (f"count({e(kind)})", "big", peers), (f"lag({e(kind)})", kind, total), (f"lead({e(kind)}, 2)", kind, total), ("ntile(3)", "int", total),
            (f"first_value({e(kind)})", kind, total), (f"max({e(kind)})", kind, peers), (f"avg({e('num')})", "num", peers), ("percent_rank()", "stat", peers),
            (f"sum({e('int')}) FILTER (WHERE {self.predicate(scope, 0)})", "big", total),
        ])
        frame = " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING" if order == total and result != "int" and "row_number" not in text and self.chance(0.2) else ""
        return f"{text} OVER ({over}{order}{frame})", result
