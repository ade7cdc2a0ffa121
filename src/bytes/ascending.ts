/** Index of the last ascending number that is at most `place`; 0 when there is none. */
export function lastAtMost(places: ArrayLike<number>, place: number): number {
  return lastOf(places.length, (number) => (places[number] as number) <= place);
}

/** The last of `count` numbers for which something holds that holds for all before it too; 0 when it holds for none. */
export function lastOf(count: number, holds: (number: number) => boolean): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (holds(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
