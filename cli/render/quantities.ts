/** How quantities are written for people: the same way in which they are read. */

export { formatDuration, formatSize } from '../../src/config/sizes.ts';
