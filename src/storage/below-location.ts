/** The location of a name below a location of any kind: `rest:http://host/` and "x" give `rest:http://host/x/`. */
export function belowLocation(location: string, name: string): string {
  const bare = location.replace(/\/+$/, '');
  const below = bare.endsWith(':') && location === bare ? `${bare}${name}` : `${bare}/${name}`;
  return /^rest:/.test(location) ? `${below}/` : below;
}
