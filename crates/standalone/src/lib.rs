//! Name server and broker in one process, for laptops and test suites.
