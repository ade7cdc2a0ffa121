// Remotes of rclone, and how to keep their secrets out of the list of processes.
// open.ts parses the location.
import { maskedLogins, SECRET_PARAMETER } from '../masked.js';

/** A remote as rclone gets it. */
export interface Remote {
  /** The argument for rclone. */
  readonly location: string;
  /** Secrets in the environment, which other users cannot see. */
  readonly environment: Readonly<Record<string, string>>;
  /** Replaces its secrets with `***`. */
  readonly mask: (text: string) => string;
}

const VALUE = `"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*`;
/** `remote,name=value,…:directory`, or `:type,name=value,…:directory`. */
const DESCRIBED = new RegExp(`^(:?[^,:=]+)((?:,[^,:=]+(?:=(?:${VALUE}))?)+):(.*)$`, 's');
const PARAMETER = new RegExp(`,([^,:=]+)=(${VALUE})`, 'g');
/** Shorter secrets would match by chance. */
const SHORTEST = 4;

/** Moves secret parameters into environment variables, which rclone reads too. */
export function describedInEnvironment(location: string): Remote {
  const [, name = '', parameters = '', directory = ''] = DESCRIBED.exec(location) ?? [];
  // Types with spaces have other names in variables.
  if (name === '' || name.includes(' ')) return describedOpenly(location);
  const prefix = name.startsWith(':') ? `RCLONE_${name.slice(1)}` : `RCLONE_CONFIG_${name}`;
  const environment: Record<string, string> = {};
  const open = parameters.replace(PARAMETER, (all, parameter, value) => {
    if (!SECRET_PARAMETER.test(parameter)) return all;
    environment[`${prefix}_${parameter}`.toUpperCase()] = unquoted(value);
    return '';
  });
  return { location: `${name}${open}:${directory}`, environment, mask: masking(Object.values(environment)) };
}

/** Keeps all parameters in the argument. */
export function describedOpenly(location: string): Remote {
  const [, , parameters = ''] = DESCRIBED.exec(location) ?? [];
  const secrets = [...parameters.matchAll(PARAMETER)].flatMap(([, parameter = '', value = '']) =>
    SECRET_PARAMETER.test(parameter) ? [value, unquoted(value)] : [],
  );
  return { location, environment: {}, mask: masking(secrets) };
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
