export { VarveError } from './errors/errors.js';
