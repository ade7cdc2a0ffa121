/** The location of a name below a location of any kind: `rest:http://host/` and "x" give `rest:http://host/x/`. */
export function belowLocation(place: string, name: string): string {
  const bare = place.replace(/\/+$/, '');
  const below = bare.endsWith(':') && place === bare ? `${bare}${name}` : `${bare}/${name}`;
  return /^rest:/.test(place) ? `${below}/` : below;
}
