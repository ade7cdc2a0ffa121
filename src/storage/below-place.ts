/** The place of that name within a place, of any kind: `rest:http://host/` and "x" are `rest:http://host/x/`. */
export function belowPlace(place: string, name: string): string {
  const bare = place.replace(/\/+$/, '');
  const below = bare.endsWith(':') && place === bare ? `${bare}${name}` : `${bare}/${name}`;
  return /^rest:/.test(place) ? `${below}/` : below;
}
