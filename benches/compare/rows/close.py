"""One request per client connection: accepting and closing."""

from load import Wrk

from .row import LoadRow

ROW = LoadRow("close", "One request per connection, 128 B", load=Wrk(close=True))
