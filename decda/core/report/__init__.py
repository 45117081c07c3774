"""The pages that people look at: plain facts in, one self-contained HTML file out."""
