"""HTTP/2 from clients, in the clear: to backends over HTTP/1.1, and over HTTP/2 to nghttpd."""

from load import H2Load
from peers import Setting

from .row import LoadRow

TO_H1 = LoadRow(
    "h2-h1", "HTTP/2 in, HTTP/1.1 out, 128 B, 10 × 32 streams",
    settings={"": Setting(h2=True)}, load=H2Load(), tools=("h2load", "curl"), quick=True,
)

TO_H2 = LoadRow(
    "h2-h2", "HTTP/2 in, HTTP/2 out (nghttpd), 128 B, 10 × 32 streams",
    settings={"": Setting(h2=True, h2_backend=True)}, load=H2Load(), tools=("h2load", "curl", "nghttpd"),
    h2_backends=True,
)
