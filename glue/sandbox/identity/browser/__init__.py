"""What people see in a browser: login, registration, links from mails, logout, devices."""
