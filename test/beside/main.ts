/** `npm run test:beside -- --minutes 5`: commands of every kind beside each other for minutes. */
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { prepare, runBeside, verify } from './commands.js';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '5' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes: "${values.minutes}" is not a number above 0`);

test(`all commands end with 0 or 11 beside each other for ${minutes} minutes`, async () => {
  const place = await prepare();
  const counts = await runBeside(place, minutes * 60);
  for (const [name, { runs, held }] of counts) console.log(`${name}: ${runs} runs, ${held} of them held up by others`);
  await verify(place);
});
