"""A piece of difference.py: what is drawn, and how often."""

from difference_writing import Writing


class Campaign(Writing):
    def run(self, statements):
        while self.tally.statements < statements:
            if self.random.random() < 0.02:
                self.connect()
            pick = self.random.random()
            if pick < 0.3:
                self.change(self.random.choice([1, 1, 1, 4, 6]))
            elif pick < 0.32:
                self.write_randomly()
            elif pick < 0.38:
                self.cursor()
            elif pick < 0.42:
                self.copy()
            else:
                self.read()
