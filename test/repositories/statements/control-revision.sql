select "revision"
from "control_revision";
