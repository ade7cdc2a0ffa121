/** A line of a crontab that runs something. */
export interface Job {
  /** Minute, hour, day of the month, month, day of the week. */
  readonly schedule: readonly string[];
  /** What is given to the shell. */
  readonly command: string;
  /** What it reads on standard input. */
  readonly input: string;
}

export interface Crontab {
  readonly environment: Readonly<Record<string, string>>;
  readonly jobs: readonly Job[];
}

/** Reads a crontab as crontab(5) says. */
export function parseCrontab(text: string): Crontab {
  const environment: Record<string, string> = {};
  const jobs: Job[] = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, value] = /^(\w+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) environment[name] = unquoted(value as string);
    else jobs.push(parseJob(line));
  }
  return { environment, jobs };
}

function parseJob(line: string): Job {
  const [, times, rest] = /^((?:[\d*/,-]+\s+){5})(.*)$/.exec(line) ?? [];
  if (times === undefined || rest === undefined) throw new Error(`no line of a crontab: ${line}`);
  // A bare % ends the command, and each is a new line of what it reads.
  const [command = '', ...input] = rest.split(/(?<!\\)%/);
  return {
    schedule: times.trim().split(/\s+/),
    command: command.replaceAll('\\%', '%'),
    input: input.map((each) => `${each.replaceAll('\\%', '%')}\n`).join(''),
  };
}

const unquoted = (value: string): string => /^(["'])(.*)\1$/.exec(value)?.[2] ?? value;

/** Whether all five fields are such as cron takes. */
export function isSchedule(fields: readonly string[]): boolean {
  const limits = [
    [0, 59],
    [0, 23],
    [1, 31],
    [1, 12],
    [0, 7],
  ] as const;
  return fields.every((field, at) => {
    const [low, high] = limits[at] as readonly [number, number];
    return field === '*' || (/^\d+$/.test(field) && Number(field) >= low && Number(field) <= high);
  });
}
