"""`PhraseDecoder`: a latent and its uncertainty -> the tokens of a phrase, each in the knowledge of those before it.

It is in two parts. A parallel one, without memory, `plan`s all 32 steps of a phrase at once. The `Writer`, small and
recurrent, goes through them token by token and hears what it has written. `cantilena.writing` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cantilena.music.melody import REST
from cantilena.training.layers import Block
from cantilena.writing import CONTEXT, START

__all__ = ["LABEL_SIZES", "PhraseDecoder", "PhraseDecoderConfig", "Writer"]

WIDEST = 16  # semitones: larger intervals are not told from each other
LABEL_SIZES = (3, 17, 3, 2)  # role, family, purity, has rests: one more index each is "not said" (null)


@dataclass(frozen=True)
class PhraseDecoderConfig:
    """Shape of a `PhraseDecoder`: 1.0 M parameters as it stands."""

    vocabulary: int = 90
    steps: int = 32
    width: int = 128  # of the plan
    layers: int = 3
    heads: int = 4
    hidden: int = 256
    slot: int = 32  # numbers that each position gets of the latent
    latent: int = 64  # Z
    writer: int = 224  # hidden units of the `Writer`
    head: int = 160
    note: int = 48  # numbers that a note of the phrase before becomes
    labels: tuple[int, ...] = LABEL_SIZES  # values of each label that is told; one index more each is "not said"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))  # JSON and TOML have lists


class PhraseDecoder(nn.Module):
    """p(tokens | z, sigma, labels, the phrase before) of one phrase of 32 tokens."""

    def __init__(self, config: PhraseDecoderConfig | None = None):
        super().__init__()
        self.config = c = config or PhraseDecoderConfig()
        self.expand = nn.Linear(c.latent, c.steps * c.slot)
        self.unsqueeze = nn.Linear(c.slot, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.steps, c.width))
        self.doubt = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, c.width))
        self.labels = nn.ModuleList(nn.Embedding(size + 1, c.width) for size in c.labels)
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.hidden) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.logits = nn.Linear(c.width, c.vocabulary)
        self.writer = Writer(c)
        for told in (self.doubt[-1], *self.labels):
            nn.init.zeros_(told.weight)
        nn.init.zeros_(self.doubt[-1].bias)  # type: ignore[arg-type]

    def plan(self, z: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        """z (B, Z) with a share `sigma` (B,) of doubt, of a melody with labels (B, n) -> features (B, 32, width)."""
        c = self.config
        told = self.doubt(sigma[:, None])
        for i, embedding in enumerate(self.labels):
            told = told + embedding(labels[:, i])
        x = self.unsqueeze(self.expand(z).view(-1, c.steps, c.slot)) + self.position + told[:, None]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def forward(
        self, z: Tensor, sigma: Tensor, labels: Tensor, before: Tensor, around: Tensor, tokens: Tensor
    ) -> Tensor:
        """Logits (B, 32, 90) of each token, given the ones before it in `tokens` (B, 32).

        `before` (B, 4) and `around` (B, 12) tell of other phrases: `writing.context` and `writing.pitch_classes`.
        """
        features = self.plan(z, sigma, labels)
        out: Tensor = self.writer(features, self.logits(features), before, around, tokens)
        return out

    def write(self, z: Tensor, sigma: Tensor, labels: Tensor, before: Tensor, around: Tensor) -> Tensor:
        """The likeliest tokens (B, 32), one after another, each given those written before it; else as `forward`."""
        features = self.plan(z, sigma, labels)
        plain, planned, state = self.logits(features), self.writer.plan(features), self.writer.start(before, around)
        token, notes, written = torch.full((len(z),), START, device=z.device), before[:, :2], []
        for k in range(self.config.steps):
            logits, state = self.writer.step(planned[:, k], plain[:, k], token, notes, state)
            token = logits.argmax(-1)
            notes = torch.where((token > REST)[:, None], torch.stack([token, notes[:, 0]], 1), notes)
            written.append(token)
        return torch.stack(written, 1)


class Writer(nn.Module):
    """A gated recurrent unit (Cho et al. 2014) over the 32 tokens of a phrase; MusicVAE's decoder is recurrent, too.

    At each step it is told the token before, the last note and its distance from the one before that, and what the
    plan has for the step. What does not depend on tokens is computed for all 32 steps at once, so that a step is small:

        x    = planned + token before + last note + last interval
        r, u = sigmoid(x_r + W_r h), sigmoid(x_u + W_u h)
        h'   = (1 - u) tanh(x_n + r W_n h) + u h
        y    = silu(planned' + W h')
        logits = plain + V y + U y, moved to the last note

    U speaks of intervals: what it learns of one pitch it knows of all. `plain` are the plan's own logits; U and V
    begin at zero: an untrained writer changes nothing.
    """

    def __init__(self, config: PhraseDecoderConfig):
        super().__init__()
        self.config = c = config
        self.plan = nn.Linear(c.width, 3 * c.writer + c.head)
        self.token = nn.Embedding(c.vocabulary + 1, 3 * c.writer)  # the last is START
        self.last_note = nn.Embedding(c.vocabulary + 1, 3 * c.writer)  # 0 is none, the last is "not said"
        self.last_interval = nn.Embedding(2 * WIDEST + 2, c.writer)  # -WIDEST .. WIDEST, and "not said"
        self.recurrent = nn.Linear(c.writer, 3 * c.writer)
        self.head = nn.Linear(c.writer, c.head)
        self.out = nn.Linear(c.head, c.vocabulary)
        self.interval = nn.Linear(c.head, 2 * WIDEST + 2)  # the last is any other interval, and what is no note
        self.before = nn.ModuleList(nn.Embedding(c.vocabulary + 1, c.note) for _ in range(CONTEXT - 1))
        self.sounds = nn.Embedding(3, c.note)  # whether a note rings into the phrase: no, yes, not said
        self.around = nn.Linear(12, c.writer, bias=False)
        self.begin = nn.Linear(CONTEXT * c.note, c.writer)
        for embedding in (self.token, self.last_note):
            nn.init.normal_(embedding.weight, std=0.3)
        nn.init.orthogonal_(self.recurrent.weight)
        for linear in (self.out, self.interval):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        for zero in (self.last_interval.weight, self.around.weight):
            nn.init.zeros_(zero)

    def start(self, before: Tensor, around: Tensor) -> Tensor:
        """The state (B, H) before the first step; before (B, 4) and around (B, 12) are as in `PhraseDecoder`."""
        told = [embedding(before[:, k]) for k, embedding in enumerate(self.before)]
        key = self.around(around / around.sum(1, keepdim=True).clamp(min=1))
        return torch.tanh(self.begin(torch.cat([*told, self.sounds(before[:, -1])], dim=-1)) + key)

    def step(
        self, planned: Tensor, plain: Tensor, token: Tensor, notes: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step: planned (B, 3 H + head), plain (B, 90), token (B,), the last two notes (B, 2), state (B, H).

        Gives the logits (B, 90) of the next token, and the state after this one.
        """
        gates, to_head = self._split(planned)
        state = self._cell(self._heard(gates, token, notes), state)
        return plain + self._logits(to_head, state, notes[..., 0]), state

    def forward(self, features: Tensor, plain: Tensor, before: Tensor, around: Tensor, tokens: Tensor) -> Tensor:
        """All steps of phrases that are known: logits (B, 32, 90), each given all tokens (B, 32) before it."""
        gates, to_head = self._split(self.plan(features))
        previous = F.pad(tokens, (1, 0), value=START)[:, :-1]
        notes = last_notes(before, tokens)
        states, state = [], self.start(before, around)
        for x in self._heard(gates, previous, notes).unbind(1):
            state = self._cell(x, state)
            states.append(state)
        return plain + self._logits(to_head, torch.stack(states, dim=1), notes[..., 0])

    def _split(self, planned: Tensor) -> tuple[Tensor, ...]:
        return torch.split(planned, [3 * self.config.writer, self.config.head], dim=-1)

    def _heard(self, gates: Tensor, token: Tensor, notes: Tensor) -> Tensor:
        """The gates with what was written last: token (...,), notes (..., 2)."""
        last, older = notes.unbind(-1)
        known = is_note(last) & is_note(older)
        size = torch.where(known, (last - older).clamp(-WIDEST, WIDEST) + WIDEST, 2 * WIDEST + 1)
        moved = F.pad(self.last_interval(size), (2 * self.config.writer, 0))
        out: Tensor = gates + self.token(token) + self.last_note(last) + moved
        return out

    def _cell(self, x: Tensor, state: Tensor) -> Tensor:
        x_r, x_u, x_n = x.chunk(3, dim=-1)
        h_r, h_u, h_n = self.recurrent(state).chunk(3, dim=-1)
        r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
        return (1 - u) * torch.tanh(x_n + r * h_n) + u * state

    def _logits(self, to_head: Tensor, state: Tensor, last: Tensor) -> Tensor:
        """to_head and state (..., head), (..., H), last note (...,) -> logits (..., 90)."""
        y = F.silu(to_head + self.head(state))
        every = torch.arange(self.config.vocabulary, device=last.device)
        size, note = every - last[..., None], every > REST
        near = note & is_note(last)[..., None] & (size.abs() <= WIDEST)
        index = torch.where(near, size + WIDEST, 2 * WIDEST + 1)
        logits: Tensor = self.out(y) + torch.gather(self.interval(y), -1, index)
        return logits


def is_note(token: Tensor) -> Tensor:
    """Whether a token, of 0 to 90, is that of a note."""
    return (token > REST) & (token < START)


def last_notes(before: Tensor, tokens: Tensor) -> Tensor:
    """The last two note-on tokens before each step: `before` (B, 4) and tokens (B, 32) -> (B, 32, 2)."""
    B, steps = tokens.shape
    line = torch.cat([before[:, :2].flip(1), tokens], dim=1)  # two places for what came before the phrase
    here = torch.arange(steps + 2, device=tokens.device).expand(B, -1)
    on = torch.where((line > REST) | (here < 2), here, 0)
    last = torch.cummax(on, dim=1).values[:, 1:-1]  # the place of the last note before each step
    older = torch.gather(torch.cat([on[:, :1], torch.cummax(on, dim=1).values[:, :-1]], dim=1), 1, last)
    return torch.stack([torch.gather(line, 1, last), torch.gather(line, 1, older)], dim=-1)
