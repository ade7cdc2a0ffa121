/** Parameters of rclone's remotes (`:sftp,host=…,pass=…:directory`) with secret values. */
export const SECRET_PARAMETER =
  /pass|secret|key|token|credential|auth|cookie|header|session|sas_url|connection_string/i;
const PARAMETER = /([^,:=]+)=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*)/g;

/** A location with `***` for passwords, for any kind of store, and also where the location is mistyped. */
export function maskedLocation(location: string): string {
  const [, scheme = '', rest = ''] = /^((?:rest|s3|sftp|rclone|local):)?(.*)$/is.exec(location) ?? [];
  return scheme + (MASKS[scheme.toLowerCase()] ?? maskedAddress)(rest);
}

const MASKS: Readonly<Record<string, (rest: string) => string>> = {
  's3:': (rest) => rest.replace(/^((?:https?:)?(?:\/\/)?)[^/@]*@/i, '$1***@'),
  'sftp:': (rest) => rest.replace(/^((?:\/\/)?[^:@/]*):[^/]*@/, '$1:***@'),
  'rclone:': maskedRemote,
  'local:': (rest) => rest,
};

/** Masks the password in a text that is not a valid address, because a mistyped address may contain one too. */
function maskedAddress(text: string): string {
  const url = /^[a-z+]+:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url?.password === '' && url.search === '' && url.hash === '') return text;
  return text.replace(/^((?:[a-z+]*:\/+)?[^:@/]*):.*@/is, '$1:***@');
}

function maskedRemote(text: string): string {
  const masked = text.replace(PARAMETER, (all, name) => (SECRET_PARAMETER.test(name) ? `${name}=***` : all));
  return maskedLogins(masked);
}

/** Masks the passwords of addresses in a foreign text, such as the output of a program. */
export function maskedLogins(text: string): string {
  return text.replace(/(:\/\/[^\s:@/'"]*):[^\s@/'"]+@/g, '$1:***@');
}
