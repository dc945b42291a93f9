"""The site's own certificate authority: certificates, enrolment by one-time token, and a device's side of both."""
