//! A parser of HTTP/1.1 messages that forgives nothing: whatever the proxy lets through, to either side,
//! must be unambiguous to the strictest reader.

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection.
    Close,
}

/// One complete message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line.
    pub line: String,
    /// Fields in order, names in lower case, values byte for byte as Latin-1.
    pub fields: Vec<(String, String)>,
    /// How the body was framed.
    pub framing: Framing,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Sizes of the chunks, the last one left out.
    pub chunks: Vec<usize>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
}

/// What a prefix of a stream turned out to be.
#[derive(Debug)]
pub enum Parsed {
    /// The start of a message.
    Partial,
    /// A message and the number of bytes it took.
    Complete(Box<Message>, usize),
    /// Something that no proxy may send; the text says what is wrong.
    Bad(String),
}

impl Message {
    /// The status code of a response.
    #[track_caller]
    pub fn status(&self) -> u16 {
        let code = self.line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        code.and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {:?}", self.line))
    }

    /// The target of a request.
    #[track_caller]
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_else(|| panic!("not a request: {:?}", self.line))
    }

    /// The only value of `name` (lower case); `None` when it is absent.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} stands {} times: {values:?}", values.len());
        values.first().copied()
    }

    /// All values of `name` (lower case), in order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one request as an origin server that trusts nobody would.
pub fn parse_request(bytes: &[u8]) -> Parsed {
    finish(parse_head(bytes).and_then(|head| {
        let Some((mut message, n_head)) = head else { return Ok(None) };
        let parts: Vec<&str> = message.line.split(' ').collect();
        if parts.len() != 3 || parts[2] != "HTTP/1.1" || parts.iter().any(|p| p.is_empty()) {
            return Err(format!("request line {:?}", message.line));
        }
        if message.values("host").len() != 1 {
            return Err(format!("{} Host fields", message.values("host").len()));
        }
        message.framing = framing_fields(&message)?.unwrap_or(Framing::None);
        read_body(message, bytes, n_head, false)
    }))
}

/// Reads one response to a request with `method`; `ended` says that no byte follows. An interim
/// response is a message like any other.
pub fn parse_response(bytes: &[u8], method: &str, ended: bool) -> Parsed {
    finish(parse_head(bytes).and_then(|head| {
        let Some((mut message, n_head)) = head else { return Ok(None) };
        let rest = message.line.strip_prefix("HTTP/1.1 ").unwrap_or_default().as_bytes();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits != 3 || rest.get(3) != Some(&b' ') {
            return Err(format!("status line {:?}", message.line));
        }
        let fields = framing_fields(&message)?;
        message.framing = match message.status() {
            100..=199 | 204 if fields.is_some() => {
                return Err(format!("a {} with a framing field", message.status()));
            }
            100..=199 | 204 | 304 => Framing::None,
            _ if method == "HEAD" => Framing::None,
            _ => fields.unwrap_or(Framing::Close),
        };
        read_body(message, bytes, n_head, ended)
    }))
}

/// Bytes as one readable line.
pub fn show(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 2000;
    let shown = bytes[..bytes.len().min(SHOWN_MAX)].escape_ascii();
    if bytes.len() > SHOWN_MAX {
        format!("\"{shown}\"… ({} bytes)", bytes.len())
    } else {
        format!("\"{shown}\"")
    }
}

type Step<T> = Result<Option<T>, String>;

fn finish(step: Step<(Message, usize)>) -> Parsed {
    match step {
        Ok(None) => Parsed::Partial,
        Ok(Some((message, n))) => Parsed::Complete(Box::new(message), n),
        Err(fault) => Parsed::Bad(fault),
    }
}

fn parse_head(bytes: &[u8]) -> Step<(Message, usize)> {
    let Some((line, mut at)) = parse_line(bytes, 0)? else { return Ok(None) };
    let Some(fields) = parse_fields(bytes, &mut at)? else { return Ok(None) };
    let (framing, body) = (Framing::None, Vec::new());
    let message = Message { line, fields, framing, body, chunks: Vec::new(), trailers: Vec::new() };
    Ok(Some((message, at)))
}

/// A line that ends with CR LF and has neither of them inside.
fn parse_line(bytes: &[u8], start: usize) -> Step<(String, usize)> {
    let rest = &bytes[start..];
    let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return Ok(None) };
    match (rest[at], rest.get(at + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some((latin1(&rest[..at]), start + at + 2))),
        (b'\r', None) => Ok(None),
        _ => Err(format!("a line ends with a bare CR or LF: {}", show(&rest[..=at]))),
    }
}

fn parse_fields(bytes: &[u8], at: &mut usize) -> Step<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let Some((line, next)) = parse_line(bytes, *at)? else { return Ok(None) };
        *at = next;
        if line.is_empty() {
            return Ok(Some(fields));
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(format!("a field without a colon: {line:?}"));
        };
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("field name {name:?}"));
        }
        let value = value.trim_matches([' ', '\t']);
        if value.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(format!("a control byte in {name}: {value:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// The one framing field, if there is one; two of them are a fault.
fn framing_fields(message: &Message) -> Result<Option<Framing>, String> {
    let lengths = message.values("content-length");
    let codings = message.values("transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            let n = length.parse().map_err(|_| format!("Content-Length {length:?}"))?;
            Ok(Some(Framing::Length(n)))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        _ => Err(format!("framing fields: lengths {lengths:?}, codings {codings:?}")),
    }
}

fn read_body(
    mut message: Message,
    bytes: &[u8],
    start: usize,
    ended: bool,
) -> Step<(Message, usize)> {
    match message.framing {
        Framing::None => Ok(Some((message, start))),
        Framing::Close if ended => {
            message.body = bytes[start..].to_vec();
            Ok(Some((message, bytes.len())))
        }
        Framing::Close => Ok(None),
        Framing::Length(n) => {
            let n = usize::try_from(n).map_err(|_| "a length beyond memory".to_owned())?;
            let Some(body) = start.checked_add(n).and_then(|end| bytes.get(start..end)) else {
                return Ok(None);
            };
            message.body = body.to_vec();
            Ok(Some((message, start + n)))
        }
        Framing::Chunked => {
            let mut at = start;
            loop {
                let Some((line, next)) = parse_line(bytes, at)? else { return Ok(None) };
                let size = usize::from_str_radix(&line, 16).ok();
                let size = size.filter(|_| line.bytes().all(|b| b.is_ascii_hexdigit()));
                let size = size.ok_or_else(|| format!("chunk size line {line:?}"))?;
                at = next;
                if size == 0 {
                    break;
                }
                let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
                if &data[size..] != b"\r\n" {
                    return Err("no CR LF after a chunk".to_owned());
                }
                message.body.extend_from_slice(&data[..size]);
                message.chunks.push(size);
                at += size + 2;
            }
            let Some(trailers) = parse_fields(bytes, &mut at)? else { return Ok(None) };
            message.trailers = trailers;
            Ok(Some((message, at)))
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}
