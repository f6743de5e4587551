"""The small world that ships with Earshot: invented listeners and creators, a ranker trained on their listens, and the files made of them.

Serving reads the committed files alone (`demo.files`); everything else here makes them anew (`demo.make`, which needs the training extra).
"""
