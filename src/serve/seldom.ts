const MINUTE = 60_000;

/** Passes on what is said, at most once a minute: what happens at each request would fill a log. */
export function seldom(say: (text: string) => void): (text: string) => void {
  let said = Number.NEGATIVE_INFINITY;
  return (text) => {
    const now = performance.now();
    if (now - said < MINUTE) return;
    said = now;
    say(text);
  };
}
