/** Parameters of rclone's remotes (`:sftp,host=…,pass=…:directory`) whose values nobody else should see. */
export const SECRET_PARAMETER =
  /pass|secret|key|token|credential|auth|cookie|header|session|sas_url|connection_string/i;
const PARAMETER = /([^,:=]+)=("(?:[^"]|"")*"|'(?:[^']|'')*'|[^,:]*)/g;

/** A repository's place as it may be shown: `***` for passwords, whatever kind it is of, and also where it is mistyped. */
export function maskedPlace(place: string): string {
  const [, scheme = '', rest = ''] = /^((?:rest|s3|sftp|rclone|local):)?(.*)$/is.exec(place) ?? [];
  return scheme + (MASKS[scheme.toLowerCase()] ?? maskedAddress)(rest);
}

const MASKS: Readonly<Record<string, (rest: string) => string>> = {
  's3:': (rest) => rest.replace(/^((?:https?:)?(?:\/\/)?)[^/@]*@/i, '$1***@'),
  'sftp:': (rest) => rest.replace(/^((?:\/\/)?[^:@/]*):[^/]*@/, '$1:***@'),
  'rclone:': maskedRemote,
  'local:': (rest) => rest,
};

/** Whoever mistypes an address should not find its password in a log: what is no address may have one nevertheless. */
function maskedAddress(text: string): string {
  const url = /^[a-z+]+:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url?.password === '' && url.search === '' && url.hash === '') return text;
  return text.replace(/^((?:[a-z+]*:\/+)?[^:@/]*):.*@/is, '$1:***@');
}

function maskedRemote(text: string): string {
  const masked = text.replace(PARAMETER, (all, name) => (SECRET_PARAMETER.test(name) ? `${name}=***` : all));
  return maskedLogins(masked);
}

/** A text of others, such as a program's, without the passwords of addresses in it. */
export function maskedLogins(text: string): string {
  return text.replace(/(:\/\/[^\s:@/'"]*):[^\s@/'"]+@/g, '$1:***@');
}
