//! What further tries may cost all requests together.

use crate::support::{Origin, Service};
use crate::{AT_ONCE, GET, answer_one, sum, with};

#[test]
fn with_nothing_left_the_first_failure_and_the_first_answer_count() {
    let (dying, other) = (Origin::bind(), Service::named("other"));
    let upstream =
        format!("retry = {{ {AT_ONCE} }}\nbudget = {{ ratio = 0.0, min_per_second = 0 }}");
    let proxy = with(&upstream, &[dying.address(), other.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    crate::reset_one(&dying);
    assert_eq!(client.response().status(), 502);
    client.send(GET);
    answer_one(&dying, "HTTP/1.1 503 Sick\r\nContent-Length: 4\r\n\r\nsick");
    assert_eq!(client.response().text(), "sick");
    assert_eq!(other.n_requests(), 0);
    assert_eq!(sum(&proxy, |worker| &worker.retries), 0);
    assert_eq!(sum(&proxy, |worker| &worker.retries_refused), 2);
}
