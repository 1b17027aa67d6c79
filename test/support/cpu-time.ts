/** What something costs this process, whatever else the machine does meanwhile. */

/** Says how many milliseconds of CPU time were used since it was made. */
export function cpuWatch(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
}
