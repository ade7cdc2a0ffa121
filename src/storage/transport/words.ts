import { VarveError } from '../../errors/errors.js';

/**
 * Splits a command into words as a shell does, with quotes and backslashes, but without expansions and without a shell.
 *
 * @param option named in the error
 */
export function splitWords(text: string, option: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === '\\' && quote !== "'" && at + 1 < text.length) word = (word ?? '') + text[++at];
    else if (quote !== '') {
      if (character === quote) quote = '';
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw new VarveError('usage', `${option}: the quote ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
