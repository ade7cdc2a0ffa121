const MINUTE = 60_000;

/** Passes on one text a minute at most and drops the rest: a fault of every request must not flood a log. */
export function rateLimited(say: (text: string) => void): (text: string) => void {
  let said = Number.NEGATIVE_INFINITY;
  return (text) => {
    const now = performance.now();
    if (now - said < MINUTE) return;
    said = now;
    say(text);
  };
}
