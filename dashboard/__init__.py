"""The cloud side of Wayside: takes the records that gateways send and shows what they add up to."""
