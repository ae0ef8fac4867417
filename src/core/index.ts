/** What every part shares and a caller meets: errors with stable codes. */
export { type ErrorCode, type ErrorDetails, FlashbookError } from './errors.js';
export { Random } from './random.js';
export { packageVersion } from './version.js';
