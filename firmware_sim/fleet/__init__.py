"""Load without a site: thousands of devices, or a recording, published at a pace and measured."""
