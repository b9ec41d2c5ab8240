/** The types of npm-cache.mjs, for the tests that use it. */

/** The folder of an unpacked package, `name@range`, without its dependencies; fetched when the cache lacks it. */
export declare function fetchPackage(specifier: string): string
