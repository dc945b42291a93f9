"""Results of the campaign: funnel, effect against people held out, money, exposure, and reasons for silence."""
