import { maskedLogins, SECRET_PARAMETER } from '../masked.js';

/** A remote, as rclone is told of it. */
export interface Remote {
  /** What rclone is called with. */
  readonly place: string;
  /** What it is told besides, where other users of this machine do not see it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Puts `***` in the place of its secrets. */
  readonly mask: (text: string) => string;
}

const VALUE = `"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*`;
/** `remote,name=value,…:directory`, or `:type,name=value,…:directory`. */
const DESCRIBED = new RegExp(`^(:?[^,:=]+)((?:,[^,:=]+(?:=(?:${VALUE}))?)+):(.*)$`, 's');
const PARAMETER = new RegExp(`,([^,:=]+)=(${VALUE})`, 'g');
/** Shorter ones would be found in all that rclone says. */
const SHORTEST = 4;

/** With the values of secret parameters in variables of the environment, which rclone takes them from as well. */
export function describedInEnvironment(place: string): Remote {
  const [, name = '', parameters = '', directory = ''] = DESCRIBED.exec(place) ?? [];
  // Types with spaces in their names have others in variables.
  if (name === '' || name.includes(' ')) return describedOpenly(place);
  const prefix = name.startsWith(':') ? `RCLONE_${name.slice(1)}` : `RCLONE_CONFIG_${name}`;
  const environment: Record<string, string> = {};
  const open = parameters.replace(PARAMETER, (all, parameter, value) => {
    if (!SECRET_PARAMETER.test(parameter)) return all;
    environment[`${prefix}_${parameter}`.toUpperCase()] = unquoted(value);
    return '';
  });
  return { place: `${name}${open}:${directory}`, environment, mask: masking(Object.values(environment)) };
}

/** With all in the place. */
export function describedOpenly(place: string): Remote {
  const [, , parameters = ''] = DESCRIBED.exec(place) ?? [];
  const secrets = [...parameters.matchAll(PARAMETER)].flatMap(([, parameter = '', value = '']) =>
    SECRET_PARAMETER.test(parameter) ? [value, unquoted(value)] : [],
  );
  return { place, environment: {}, mask: masking(secrets) };
}

function masking(secrets: readonly string[]): Remote['mask'] {
  const long = secrets.filter((each) => each.length >= SHORTEST);
  return (text) => maskedLogins(long.reduce((masked, secret) => masked.replaceAll(secret, '***'), text));
}

function unquoted(value: string): string {
  const quote = value[0];
  if (quote !== '"' && quote !== "'") return value;
  return value.slice(1, -1).replaceAll(quote + quote, quote);
}
