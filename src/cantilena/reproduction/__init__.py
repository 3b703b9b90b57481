"""The paper's table: its rows made, measured and laid out, for the terminal, as Markdown and as a page to hear."""
